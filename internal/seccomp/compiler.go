package seccomp

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// verdict is what happens to a call: the first rule whose conditions hold decides, then action.
type verdict struct {
	rules  []rule
	action uint32
}

// rule decides for action when all of its conditions hold.
type rule struct {
	conds  []cond
	action uint32
}

// cond is a condition on one argument.
type cond struct {
	specs.LinuxSeccompArg
	narrow bool // the kernel looks at the lower 32 bits only
}

// span is a run of numbers, up to the next span's first, with one verdict.
type span struct {
	first   uint32
	verdict *verdict
}

// compiler has the profile's verdict for each of calls, nil for one that it does not name.
type compiler struct {
	verdicts [len(calls)]*verdict
	fallback *verdict // of calls that the profile does not name
	newer    *verdict // of calls newer than the profile
}

func newCompiler(p *specs.LinuxSeccomp) (*compiler, error) {
	action, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	c := &compiler{fallback: &verdict{action: action}}
	c.newer = c.fallback
	if action != unix.SECCOMP_RET_ALLOW && action != unix.SECCOMP_RET_LOG {
		c.newer = &verdict{action: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	}
	for _, call := range p.Syscalls {
		if err := c.add(call); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *compiler) add(call specs.LinuxSyscall) error {
	act, err := action(call.Action, call.ErrnoRet)
	if err != nil {
		return err
	}
	for _, arg := range call.Args {
		if err := check(arg); err != nil {
			return fmt.Errorf("seccomp rule for %v: %w", call.Names, err)
		}
	}
	if act == c.fallback.action { // says nothing: other rules for the call count
		return nil
	}
	var plain *verdict
	for _, name := range call.Names {
		i, known := find(name)
		if !known {
			continue
		}
		v := c.verdicts[i]
		if len(call.Args) > 0 {
			c.verdicts[i] = c.conditional(v, conditions(name, call.Args), act)
		} else if v == nil || len(v.rules) > 0 {
			if plain == nil {
				plain = &verdict{action: act}
			}
			c.verdicts[i] = plain
		}
	}
	return nil
}

// conditional adds a rule with conditions to v, which may be nil. A verdict without conditions stays as it is.
func (c *compiler) conditional(v *verdict, conds []cond, act uint32) *verdict {
	switch {
	case v == nil:
		v = &verdict{action: c.fallback.action}
	case len(v.rules) == 0:
		return v
	}
	if !repeats(conds) {
		v.rules = append(v.rules, rule{conds, act})
		return v
	}
	for i := range conds {
		v.rules = append(v.rules, rule{conds[i : i+1], act})
	}
	return v
}

// repeats is whether two conditions are on one argument.
func repeats(conds []cond) bool {
	var seen [6]bool
	for _, c := range conds {
		if seen[c.Index] {
			return true
		}
		seen[c.Index] = true
	}
	return false
}

func conditions(name string, args []specs.LinuxSeccompArg) []cond {
	conds := make([]cond, len(args))
	for i, arg := range args {
		conds[i] = cond{arg, narrowArgs(name)&(1<<arg.Index) != 0}
	}
	return conds
}

// narrowArgs has a bit for each argument of the call that the kernel declares as int or unsigned int and thus
// cuts to 32 bits. Only calls are listed whose arguments profiles look at.
func narrowArgs(name string) uint {
	switch name {
	case "personality", "prctl", "keyctl":
		return 1
	case "ioctl", "fcntl":
		return 1 | 2
	case "socket", "socketpair", "setsockopt", "getsockopt":
		return 1 | 2 | 4
	}
	return 0
}

func check(arg specs.LinuxSeccompArg) error {
	if arg.Index > 5 {
		return fmt.Errorf("argument %d: system calls have arguments 0 to 5", arg.Index)
	}
	switch arg.Op {
	case specs.OpEqualTo, specs.OpNotEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpLessThan,
		specs.OpLessEqual, specs.OpMaskedEqual:
		return nil
	}
	return fmt.Errorf("unknown operator %q", arg.Op)
}

// action gives the kernel's word for act. EPERM is the error where the profile names none.
func action(act specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	data := uint32(unix.EPERM)
	if errno != nil {
		if *errno > 4095 { // MAX_ERRNO; the kernel would cut it
			return 0, fmt.Errorf("seccomp error number %d is above 4095", *errno)
		}
		data = uint32(*errno)
	}
	switch act {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | data, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | data, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActNotify:
		return 0, fmt.Errorf("seccomp action %s is not supported: nobody would answer", act)
	}
	return 0, fmt.Errorf("unknown seccomp action %q", act)
}

// spans covers all numbers of an architecture, in order, neighbours that are treated alike joined.
func (c *compiler) spans(a arch) []span {
	var all []span
	for _, t := range a.tables {
		all = c.addTable(all, t)
	}
	return all
}

// addTable puts the verdict of calls that the profile does not name between those that it names, and that of
// newer calls above them.
func (c *compiler) addTable(spans []span, t table) []span {
	if !t.listed {
		return addSpan(spans, t.base, &verdict{action: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	}
	var byNumber [tableSize]*verdict
	end := 0
	for i, v := range c.verdicts {
		if v == nil {
			continue
		}
		if n := t.number(&calls[i]); n >= 0 && n < tableSize {
			byNumber[n] = v
			end = max(end, int(n)+1)
		}
	}
	for n, v := range byNumber[:end] {
		if v == nil {
			v = c.fallback
		}
		spans = addSpan(spans, t.base+uint32(n), v)
	}
	if end == 0 {
		return addSpan(spans, t.base, c.fallback)
	}
	return addSpan(spans, t.base+uint32(end), c.newer)
}

func addSpan(spans []span, first uint32, v *verdict) []span {
	if n := len(spans); n > 0 && same(spans[n-1].verdict, v) {
		return spans
	}
	return append(spans, span{first, v})
}

// same is whether two verdicts have the same effect.
func same(x, y *verdict) bool {
	return x == y || len(x.rules) == 0 && len(y.rules) == 0 && x.action == y.action
}
