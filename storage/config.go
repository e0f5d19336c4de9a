package storage

import "time"

// Config is what an image says about the containers made from it: the "config"
// object of the OCI image-spec (config.md), field by field, and what Docker adds to it. It is a type of its own because the package that has the
// other one compiles regular expressions when it is loaded, which takes 0.2 ms
// of the start of every program that links it.
type Config struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"` // "80/tcp"
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"` // of Windows images

	// Healthcheck and Shell are Docker's and not in the specification.
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	Shell       []string     `json:"Shell,omitempty"` // for commands that are text
}

// Healthcheck is how one learns whether a container does its work, as
// HEALTHCHECK of a Dockerfile says it. Durations are nanoseconds in JSON, 0 for
// the usual ones.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"` // "CMD" or "CMD-SHELL" and the command, or "NONE"
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// Platform is what an image runs on, as in the OCI image-spec.
type Platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}
