package spec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/internal/seccomp"
)

// securityOpts is --security-opt, parsed.
type securityOpts struct {
	noNewPrivileges bool
	seccomp         string // "", unconfined, or the path of a profile
	unconfinedPaths bool
	mask, unmask    []string
	notes           []string
}

func (b *builder) parseSecurity() error {
	sec, err := parseSecurityOpts(b.opts.SecurityOpt)
	b.sec = sec
	b.facts.Notes = append(b.facts.Notes, sec.notes...)
	return err
}

// ReadSecurity checks the words of --security-opt before any container is described. It returns the text of the
// seccomp profile that they name, which read reads, nil for none, and notes about words that change nothing here.
func ReadSecurity(list []string, read func(name string) ([]byte, error)) (profile []byte, notes []string, err error) {
	sec, err := parseSecurityOpts(list)
	if err != nil || sec.seccomp == "" || sec.seccomp == "unconfined" {
		return nil, sec.notes, err
	}
	if profile, err = read(sec.seccomp); err != nil {
		return nil, nil, fmt.Errorf("--security-opt seccomp: %w", err)
	}
	if _, err = seccomp.Load(profile, nil); err != nil {
		return nil, nil, fmt.Errorf("--security-opt seccomp=%s: %w", sec.seccomp, err)
	}
	return profile, sec.notes, nil
}

// parseSecurityOpts reads the words of --security-opt, each KEY=VALUE or (as old scripts have it) KEY:VALUE.
func parseSecurityOpts(list []string) (securityOpts, error) {
	var sec securityOpts
	for _, s := range list {
		key, value, found := strings.Cut(s, "=")
		if !found {
			key, value, _ = strings.Cut(s, ":")
		}
		if err := sec.set(s, key, value); err != nil {
			return sec, err
		}
	}
	return sec, nil
}

func (sec *securityOpts) set(s, key, value string) (err error) {
	switch key {
	case "no-new-privileges":
		err = sec.setNoNewPrivileges(s, value)
	case "seccomp":
		err = sec.setSeccomp(value)
	case "apparmor":
		err = sec.setAppArmor(value)
	case "label":
		sec.notes = append(sec.notes, fmt.Sprintf("--security-opt %s: rl sets no SELinux labels, so it changes nothing", s))
	case "systempaths":
		if value != "unconfined" {
			return fmt.Errorf("--security-opt %s: only systempaths=unconfined is known", s)
		}
		sec.unconfinedPaths = true
	case "mask":
		sec.mask, err = paths(s, value)
	case "unmask":
		sec.unmask, err = unmaskPaths(s, value)
	default:
		return fmt.Errorf("--security-opt %q: known are no-new-privileges, seccomp=, apparmor=unconfined, label=, "+
			"systempaths=unconfined, mask= and unmask=", s)
	}
	return err
}

func (sec *securityOpts) setNoNewPrivileges(s, value string) error {
	if value == "" {
		sec.noNewPrivileges = true
		return nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("--security-opt %s: say no-new-privileges, or =true or =false", s)
	}
	sec.noNewPrivileges = on
	return nil
}

func (sec *securityOpts) setSeccomp(value string) error {
	if value == "" {
		return fmt.Errorf("--security-opt seccomp= needs unconfined, builtin or the path of a profile")
	}
	if value == "builtin" {
		value = ""
	}
	sec.seccomp = value
	return nil
}

func (sec *securityOpts) setAppArmor(value string) error {
	if value != "unconfined" {
		return fmt.Errorf("--security-opt apparmor=%s: %w: only root can load AppArmor profiles; apparmor=unconfined is how "+
			"containers run here", value, ErrNeedsRoot)
	}
	sec.notes = append(sec.notes, "--security-opt apparmor=unconfined: rl sets no AppArmor profile, so it changes nothing")
	return nil
}

// paths reads a colon-separated list of absolute paths.
func paths(s, value string) ([]string, error) {
	list := strings.Split(value, ":")
	for i, p := range list {
		if !path.IsAbs(p) {
			return nil, fmt.Errorf("--security-opt %s: %q is not an absolute path", s, p)
		}
		list[i] = path.Clean(p)
	}
	return list, nil
}

func unmaskPaths(s, value string) ([]string, error) {
	if strings.EqualFold(value, "ALL") {
		return []string{"ALL"}, nil
	}
	return paths(s, value)
}

// setSecurity carries out what --security-opt and --privileged say about the process and its /proc.
func (b *builder) setSecurity() error {
	b.facts.Privileged = b.opts.Privileged
	b.spec.Process.NoNewPrivileges = b.sec.noNewPrivileges
	b.setHiddenPaths()
	return b.setSeccomp()
}

func (b *builder) setHiddenPaths() {
	var masked, readonly []string
	if !b.opts.Privileged && !b.sec.unconfinedPaths {
		masked, readonly = append(maskedPaths(), b.host.ThermalThrottle...), readonlyPaths()
	}
	visible := func(p string) bool { return b.unmasked(p) }
	masked = slices.DeleteFunc(masked, visible)
	readonly = slices.DeleteFunc(readonly, visible)
	b.spec.Linux.MaskedPaths = append(masked, b.sec.mask...)
	b.spec.Linux.ReadonlyPaths = readonly
}

func (b *builder) unmasked(p string) bool {
	for _, pattern := range b.sec.unmask {
		if pattern == "ALL" {
			return true
		}
		if ok, err := path.Match(pattern, p); err == nil && ok {
			return true
		}
	}
	return false
}

// setSeccomp: a profile of the user's own holds even with --privileged, as in Docker.
func (b *builder) setSeccomp() error {
	switch {
	case b.sec.seccomp == "unconfined" || (b.sec.seccomp == "" && b.opts.Privileged):
		b.facts.Seccomp = SeccompUnconfined
		return nil
	case b.sec.seccomp == "":
		b.facts.Seccomp = SeccompDefault
		return nil
	}
	text, err := b.host.readFile(b.sec.seccomp)
	if err != nil {
		return fmt.Errorf("--security-opt seccomp: %w", err)
	}
	profile, err := seccomp.Load(text, b.spec.Process.Capabilities.Bounding)
	if err != nil {
		return fmt.Errorf("--security-opt seccomp=%s: %w", b.sec.seccomp, err)
	}
	if profile == nil { // "{}" is how Docker says unconfined in a file
		b.facts.Seccomp = SeccompUnconfined
		return nil
	}
	b.facts.Seccomp = SeccompProfile
	b.spec.Linux.Seccomp = profile
	return nil
}

// maskedPaths are hidden from a container: they tell of the machine, or crash it when read. Missing ones are
// to be skipped.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
		"/sys/firmware",
	}
}

// readonlyPaths can be looked at in a container, and not written. Missing ones are to be skipped.
func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
