package spec

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/signal"
)

// defaultStopTimeout is how many seconds a container has to stop.
const defaultStopTimeout = 10

// systemdStop is SIGRTMIN+3, at which systemd shuts down in good order.
const systemdStop = 34 + 3

// RestartPolicy is what happens when the command of a container has ended.
type RestartPolicy struct {
	// Name is no, always, unless-stopped or on-failure.
	Name string `json:"name"`
	// MaxRetries bounds on-failure; 0 is without bound.
	MaxRetries int `json:"maxRetries,omitempty"`
}

// String is the policy as --restart takes it.
func (p RestartPolicy) String() string {
	if p.MaxRetries > 0 {
		return fmt.Sprintf("%s:%d", p.Name, p.MaxRetries)
	}
	return p.Name
}

// None reports whether the container stays down when its command has ended.
func (p RestartPolicy) None() bool { return p.Name == "" || p.Name == "no" }

// ParseRestart reads --restart: no, always, unless-stopped, on-failure[:N]. "" is no.
func ParseRestart(s string) (RestartPolicy, error) {
	name, count, hasCount := strings.Cut(s, ":")
	p := RestartPolicy{Name: name}
	switch name {
	case "":
		p.Name = "no"
	case "no", "always", "unless-stopped", "on-failure":
	default:
		return p, fmt.Errorf("--restart %q: choose no, always, unless-stopped or on-failure[:N]", s)
	}
	if !hasCount {
		return p, nil
	}
	if name != "on-failure" {
		return p, fmt.Errorf("--restart %q: only on-failure takes a number of retries", s)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return p, fmt.Errorf("--restart %q: %q is not a number of retries", s, count)
	}
	p.MaxRetries = n
	return p, nil
}

// ParseSignal reads a signal by name, with or without SIG, or by number.
func ParseSignal(s string) (syscall.Signal, error) {
	sig, err := signal.ParseSignal(s)
	if err != nil || sig <= 0 || sig > 64 {
		return 0, fmt.Errorf("invalid signal %q: give a name such as TERM, or a number from 1 to 64", s)
	}
	return sig, nil
}

func (b *builder) setLifecycle() error {
	policy, err := ParseRestart(b.opts.Restart)
	if err != nil {
		return err
	}
	b.facts.Restart = policy
	b.facts.CgroupParent = b.opts.CgroupParent
	b.facts.StopTimeout = defaultStopTimeout
	if t := b.opts.StopTimeout; t != nil {
		if *t < -1 {
			return fmt.Errorf("--stop-timeout %d: give seconds, or -1 to wait for ever", *t)
		}
		b.facts.StopTimeout = *t
	}
	if b.opts.Timeout < 0 {
		return fmt.Errorf("--timeout %d: give seconds, or 0 for no limit", b.opts.Timeout)
	}
	b.facts.Timeout = b.opts.Timeout
	return b.setStopSignal()
}

func (b *builder) setStopSignal() error {
	b.facts.StopSignal = int(syscall.SIGTERM)
	if b.facts.Systemd {
		b.facts.StopSignal = systemdStop
	}
	for _, s := range []struct{ from, name string }{
		{"--stop-signal", b.opts.StopSignal},
		{"STOPSIGNAL of the image", b.img.StopSignal},
	} {
		if s.name == "" {
			continue
		}
		sig, err := ParseSignal(s.name)
		if err != nil {
			return fmt.Errorf("%s: %w", s.from, err)
		}
		b.facts.StopSignal = int(sig)
		return nil
	}
	return nil
}
