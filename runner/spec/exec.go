package spec

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ExecOptions is what a person asked of `exec`. Fields are those of Options with the same names.
type ExecOptions struct {
	Args          []string
	User, Workdir string
	Env, EnvFiles []string
	TTY           bool
	// Privileged gives every capability the user namespace has.
	Privileged bool
}

// Exec describes one more process in the container that s describes. What opts do not say is as in the container's
// own process; its limits and no-new-privileges hold as well.
func Exec(opts ExecOptions, s *specs.Spec, host Host) (*specs.Process, error) {
	if len(opts.Args) == 0 || opts.Args[0] == "" {
		return nil, ErrNoCommand
	}
	facts, err := FactsOf(s)
	if err != nil {
		return nil, err
	}
	p := *s.Process
	p.Args, p.Terminal = opts.Args, opts.TTY
	p.Cwd, err = workdir(opts.Workdir, s.Process.Cwd)
	if err != nil {
		return nil, err
	}
	home, err := execUser(&p, opts.User, host)
	if err != nil {
		return nil, err
	}
	if home == "" || !facts.HomeFromUser {
		home = currentHome(s.Process.Env)
	}
	p.Capabilities = execCapabilities(s.Process.Capabilities, opts.Privileged, p.User.UID, host.LastCap)
	p.Env, err = execEnv(opts, s.Process.Env, home, host)
	return &p, err
}

// execUser changes p's user to the one asked for; the home is "" when none was.
func execUser(p *specs.Process, asked string, host Host) (home string, err error) {
	if asked == "" {
		return "", nil
	}
	id, err := IdentityOf(host, asked)
	if err != nil {
		return "", err
	}
	if err := checkMapped(host, asked, id); err != nil {
		return "", err
	}
	p.User.UID, p.User.GID = id.UID, id.GID
	p.User.AdditionalGids = slices.DeleteFunc(id.Groups, func(g uint32) bool { return !mapped(host.GIDs, g) })
	return id.Home, nil
}

func execCapabilities(own *specs.LinuxCapabilities, privileged bool, uid uint32, last int) *specs.LinuxCapabilities {
	caps := own.Bounding
	if privileged {
		caps = allCapabilities(last)
	}
	c := &specs.LinuxCapabilities{Bounding: caps}
	if uid == 0 || privileged { // a user other than root keeps them through execve only as ambient ones
		c.Effective, c.Permitted = caps, caps
	}
	if uid != 0 && privileged {
		c.Inheritable, c.Ambient = caps, caps
	}
	return c
}

func execEnv(opts ExecOptions, own []string, home string, host Host) ([]string, error) {
	asked, err := host.askedEnv(opts.EnvFiles, opts.Env)
	if err != nil {
		return nil, err
	}
	defaults := []string{"HOME=" + home}
	if opts.TTY && !hasEnv(own, "TERM") {
		defaults = append(defaults, "TERM=xterm")
	}
	return mergeEnv(mergeEnv(own, defaults), asked), nil
}

func currentHome(env []string) string {
	for _, e := range env {
		if home, ok := strings.CutPrefix(e, "HOME="); ok {
			return home
		}
	}
	return "/"
}
