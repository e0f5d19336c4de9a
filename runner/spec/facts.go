package spec

import (
	"encoding/json"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// factsAnnotation is the key under which Build stores Facts, as JSON. It is not the user's: `inspect` and
// the like leave it out of the annotations they show.
const factsAnnotation = "org.rl.facts"

// Values of Facts.Seccomp.
const (
	// SeccompDefault asks for Docker's default profile, given the capabilities of the container.
	SeccompDefault = "default"
	// SeccompProfile asks for the profile in Linux.Seccomp.
	SeccompProfile = "profile"
	// SeccompUnconfined asks for no filter.
	SeccompUnconfined = "unconfined"
)

// Facts is what a container needs to be run that an OCI runtime-spec value has no field for.
type Facts struct {
	// Seccomp is one of SeccompDefault, SeccompProfile and SeccompUnconfined.
	Seccomp string `json:"seccomp"`
	// Privileged is whether --privileged was given.
	Privileged bool `json:"privileged,omitempty"`
	// Init is whether the command runs below the small init of --init. Process.Args is the command itself.
	Init bool `json:"init,omitempty"`
	// Systemd is whether the first process is an init system.
	Systemd bool `json:"systemd,omitempty"`
	// KeepGroups is whether the caller's supplementary groups stay: setgroups must not be called then.
	KeepGroups bool `json:"keepGroups,omitempty"`
	// Network is the mode asked for: none, host, bridge, container:ID or the name of a network.
	Network string `json:"network"`
	// Join names, for each namespace that is another container's, that container by id. /dev/shm comes
	// from there too when the ipc namespace does, see JoinedShm.
	Join map[specs.LinuxNamespaceType]string `json:"join,omitempty"`
	// UserNS is the mode of --userns as typed; see parseUserNS.
	UserNS string `json:"userns,omitempty"`
	// CreateSources are the source directories of -v, which are made (as the caller, mode 0755) when they
	// are missing at a start. Those of --mount are not: their absence is an error.
	CreateSources []string `json:"createSources,omitempty"`
	// Volumes are the mounts of volumes, in the order of Spec.Mounts, so that an empty one can be filled.
	Volumes []Mount `json:"volumes,omitempty"`
	// HomeFromUser is whether HOME is the home directory of the user rather than a value that image or flags set;
	// `exec -u` then has that of its own user.
	HomeFromUser bool `json:"homeFromUser,omitempty"`
	// CgroupParent is --cgroup-parent as typed; see cgroup2.Options.
	CgroupParent string `json:"cgroupParent,omitempty"`
	// Hosts are additional lines of /etc/hosts.
	Hosts []ExtraHost `json:"hosts,omitempty"`
	// Resolver replaces parts of /etc/resolv.conf.
	Resolver Resolver `json:"resolver,omitzero"`
	// Timeout is after how many seconds the command is killed, 0 for never.
	Timeout int `json:"timeout,omitempty"`
	// StopSignal is the number of the signal that asks the command to end.
	StopSignal int `json:"stopSignal"`
	// StopTimeout is how many seconds it has for that; -1 is for ever.
	StopTimeout int `json:"stopTimeout"`
	// Restart is what happens when the command has ended.
	Restart RestartPolicy `json:"restart"`
	// Health is the health check, nil for none.
	Health *Health `json:"health,omitempty"`
	// Labels are the image's, overlaid with --label-file and --label.
	Labels map[string]string `json:"labels,omitempty"`
	// Notes are lines for the person who asked, about options that do not do here what they do elsewhere.
	Notes []string `json:"notes,omitempty"`
}

// FactsOf reads what Build stored in s. A value that was not made by Build is an error.
func FactsOf(s *specs.Spec) (Facts, error) {
	var f Facts
	text, ok := s.Annotations[factsAnnotation]
	if !ok {
		return f, fmt.Errorf("%w: no annotation %s", ErrNotBuilt, factsAnnotation)
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return f, fmt.Errorf("%w: annotation %s: %w", ErrNotBuilt, factsAnnotation, err)
	}
	return f, nil
}

// SetFacts replaces the facts in s, as `update` does with the restart policy.
func SetFacts(s *specs.Spec, f Facts) error { return f.store(s) }

func (f Facts) store(s *specs.Spec) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	s.Annotations[factsAnnotation] = string(text)
	return nil
}
