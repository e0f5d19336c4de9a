package spec

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rl-project/rl/storage"
)

// HealthOptions are the flags about health checks, as typed. The zero value is the image's own check.
type HealthOptions struct {
	// Cmd (--health-cmd) is run by a shell. Interval, Timeout, StartPeriod and StartInterval are durations such
	// as 30s; "" for the image's.
	Cmd, Interval, Timeout, StartPeriod, StartInterval string
	// Retries (--health-retries) is how many failures in a row make it unhealthy; 0 for the image's.
	Retries int
	// None (--no-healthcheck) switches the image's check off.
	None bool
	// OnFailure (--health-on-failure) is none, kill, restart or stop.
	OnFailure string
}

// Values of Options.SDNotify that mean more than being started.
const (
	NotifyContainer = "container"
	NotifyHealthy   = "healthy"
	NotifyIgnore    = "ignore"
)

// What happens to a container that has become unhealthy.
const (
	OnFailureNone    = "none"
	OnFailureKill    = "kill"
	OnFailureRestart = "restart"
	OnFailureStop    = "stop"
)

// Health is a health check with everything decided.
type Health struct {
	// Args is the command of a probe.
	Args []string `json:"args"`
	// Check is the check as inspect shows it.
	Check storage.Healthcheck `json:"check"`
	// Interval lies between the end of a probe and the next; StartInterval is used instead until StartPeriod after
	// the start is over or a probe has succeeded, and failures do not count until then.
	Interval      time.Duration `json:"interval"`
	StartInterval time.Duration `json:"startInterval"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	// Timeout bounds a probe.
	Timeout time.Duration `json:"timeout"`
	Retries int           `json:"retries"`
	// OnFailure is one of the constants.
	OnFailure string `json:"onFailure"`
}

// Docker's values for what neither the image nor a flag says.
const (
	probeInterval      = 30 * time.Second
	probeTimeout       = 30 * time.Second
	probeStartInterval = 5 * time.Second
	probeRetries       = 3
)

func (b *builder) setHealth() error {
	check, err := parseHealth(b.opts.Health, b.img.Healthcheck)
	if err != nil {
		return err
	}
	args := probeArgs(check.Test, b.img.Shell)
	if args == nil {
		return b.noHealth()
	}
	b.facts.Health = &Health{
		Args: args, Check: check,
		Interval: cmp.Or(check.Interval, probeInterval), StartInterval: cmp.Or(check.StartInterval, probeStartInterval),
		StartPeriod: check.StartPeriod, Timeout: cmp.Or(check.Timeout, probeTimeout),
		Retries: cmp.Or(check.Retries, probeRetries), OnFailure: cmp.Or(b.opts.Health.OnFailure, OnFailureNone),
	}
	return nil
}

// noHealth is for a container without a check: nothing would ever do what is to be
// done when it fails.
func (b *builder) noHealth() error {
	if action := b.opts.Health.OnFailure; action != "" && action != OnFailureNone {
		return fmt.Errorf("--health-on-failure %s: there is no health check that could fail: give --health-cmd", action)
	}
	return nil
}

// parseHealth lays the flags over the image's check, nil for none.
func parseHealth(o HealthOptions, img *storage.Healthcheck) (check storage.Healthcheck, err error) {
	if img != nil {
		check = *img
	}
	switch o.OnFailure {
	case "", OnFailureNone, OnFailureKill, OnFailureRestart, OnFailureStop:
	default:
		return check, fmt.Errorf("--health-on-failure %q: choose none, kill, restart or stop", o.OnFailure)
	}
	if o.None {
		if o != (HealthOptions{None: true}) {
			return check, fmt.Errorf("--no-healthcheck switches the check off that the other --health flags are about: leave one of them out")
		}
		return storage.Healthcheck{Test: []string{"NONE"}}, nil
	}
	if o.Cmd != "" {
		check.Test = []string{"CMD-SHELL", o.Cmd}
	}
	if o.Retries < 0 {
		return check, fmt.Errorf("--health-retries %d: give a number from 1", o.Retries)
	}
	check.Retries = cmp.Or(o.Retries, check.Retries)
	for _, d := range []struct {
		flag, typed string
		to          *time.Duration
	}{
		{"--health-interval", o.Interval, &check.Interval}, {"--health-timeout", o.Timeout, &check.Timeout},
		{"--health-start-period", o.StartPeriod, &check.StartPeriod},
		{"--health-start-interval", o.StartInterval, &check.StartInterval},
	} {
		if err := setDuration(d.flag, d.typed, d.to); err != nil {
			return check, err
		}
	}
	return check, nil
}

func setDuration(flag, typed string, to *time.Duration) error {
	if typed == "" {
		return nil
	}
	d, err := time.ParseDuration(typed)
	if err != nil || d < 0 || d > 0 && d < time.Millisecond {
		return fmt.Errorf("%s %q: give a duration of at least 1ms, such as 30s or 1m30s", flag, typed)
	}
	if d > 0 {
		*to = d
	}
	return nil
}

// probeArgs is the command of a check; nil for none.
func probeArgs(test, shell []string) []string {
	if len(test) < 2 {
		return nil
	}
	switch test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string(nil), shell...), test[1])
	}
	return nil
}
