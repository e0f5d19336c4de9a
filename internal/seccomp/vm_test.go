package seccomp

import (
	"encoding/binary"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// data is struct seccomp_data.
type data struct {
	number uint32
	audit  uint32
	args   [6]uint64
}

// run gives the program's answer in a BPF virtual machine, which reads big-endian words where the kernel reads
// seccomp_data in the machine's own order.
func run(t testing.TB, prog []unix.SockFilter, d data) uint32 {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(prog))
	for i, in := range prog {
		raw[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	decoded, all := bpf.Disassemble(raw)
	if !all {
		t.Fatal("the program has an instruction that BPF does not know")
	}
	vm, err := bpf.NewVM(decoded)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]byte, 64)
	binary.BigEndian.PutUint32(in[0:], d.number)
	binary.BigEndian.PutUint32(in[4:], d.audit)
	for i, arg := range d.args {
		binary.BigEndian.PutUint32(in[16+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(in[20+8*i:], uint32(arg>>32))
	}
	answer, err := vm.Run(in)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(answer)
}

func errno(n uint32) uint32 { return unix.SECCOMP_RET_ERRNO | n }

func mustCompile(t testing.TB, p *specs.LinuxSeccomp, goarch string) []unix.SockFilter {
	t.Helper()
	prog, err := compile(p, goarch)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func number(t testing.TB, name string, of func(*call) int32) uint32 {
	t.Helper()
	i, ok := find(name)
	if !ok || of(&calls[i]) < 0 {
		t.Fatalf("no system call %s", name)
	}
	return uint32(of(&calls[i]))
}

// Every number of every architecture gets what the profile says by the simplest possible reading of it.
func TestEveryCallOfTheDefaultProfile(t *testing.T) {
	for _, abi := range []struct {
		name, goarch string
		audit, base  uint32
		number       func(*call) int32
	}{
		{"x86_64", "amd64", unix.AUDIT_ARCH_X86_64, 0, func(c *call) int32 { return c.amd64 }},
		{"x32", "amd64", unix.AUDIT_ARCH_X86_64, x32Base, func(c *call) int32 { return c.x32 }},
		{"x86", "amd64", unix.AUDIT_ARCH_I386, 0, func(c *call) int32 { return c.i386 }},
		{"aarch64", "arm64", unix.AUDIT_ARCH_AARCH64, 0, func(c *call) int32 { return c.arm64 }},
		{"arm", "arm64", unix.AUDIT_ARCH_ARM, 0, func(c *call) int32 { return c.arm }},
	} {
		t.Run(abi.name, func(t *testing.T) {
			p := resolveFor(t, abi.goarch, dockerCaps())
			prog := mustCompile(t, p, abi.goarch)
			want, highest := expectations(p, abi.number)
			for n := uint32(0); n < tableSize; n++ {
				expect, named := want[n]
				switch {
				case named && expect == 0:
					continue // has conditions; see the tests of arguments
				case !named && n > highest:
					expect = errno(uint32(unix.ENOSYS))
				case !named:
					expect = errno(uint32(unix.EPERM))
				}
				if got := run(t, prog, data{number: abi.base + n, audit: abi.audit}); got != expect {
					t.Errorf("call %d: %#x, want %#x", n, got, expect)
				}
			}
		})
	}
}

// expectations are the answers by number, 0 for a call with conditions, and the highest number named.
func expectations(p *specs.LinuxSeccomp, number func(*call) int32) (want map[uint32]uint32, highest uint32) {
	want = map[uint32]uint32{}
	for _, rule := range p.Syscalls {
		for _, name := range rule.Names {
			i, ok := find(name)
			if !ok || number(&calls[i]) < 0 || number(&calls[i]) >= armBase {
				continue
			}
			n := uint32(number(&calls[i]))
			highest = max(highest, n)
			switch {
			case len(rule.Args) > 0:
				if want[n] == 0 {
					want[n] = 0
				}
			case rule.Action == specs.ActAllow:
				want[n] = unix.SECCOMP_RET_ALLOW
			default:
				want[n] = errno(uint32(*rule.ErrnoRet))
			}
		}
	}
	return want, highest
}

func TestPrivateCallsOfArm(t *testing.T) {
	prog := mustCompile(t, resolveFor(t, "arm64", dockerCaps()), "arm64")
	for n, want := range map[uint32]uint32{
		armBase + 5: unix.SECCOMP_RET_ALLOW,     // set_tls
		armBase + 3: errno(uint32(unix.EPERM)),  // usr26
		armBase + 6: errno(uint32(unix.ENOSYS)), // none
		armBase - 1: errno(uint32(unix.ENOSYS)), // none
		1<<31 | 4:   errno(uint32(unix.ENOSYS)), // none
		341:         unix.SECCOMP_RET_ALLOW,     // sync_file_range2, by its other name
	} {
		if got := run(t, prog, data{number: n, audit: unix.AUDIT_ARCH_ARM}); got != want {
			t.Errorf("call %#x: %#x, want %#x", n, got, want)
		}
	}
}

func TestForeignArchitectureKills(t *testing.T) {
	prog := mustCompile(t, resolveFor(t, "amd64", dockerCaps()), "amd64")
	if got := run(t, prog, data{audit: unix.AUDIT_ARCH_S390X}); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("a call of s390x: %#x, want kill", got)
	}
	only := mustCompile(t, &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "amd64")
	if got := run(t, only, data{audit: unix.AUDIT_ARCH_I386}); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("a call of x86 when the profile does not name it: %#x, want kill", got)
	}
	if got := run(t, only, data{number: x32Base, audit: unix.AUDIT_ARCH_X86_64}); got != errno(uint32(unix.ENOSYS)) {
		t.Errorf("a call of x32 when the profile does not name it: %#x, want ENOSYS", got)
	}
}

// Each operator, on values around those where the halves of 64 bits matter.
func TestOperators(t *testing.T) {
	holds := map[specs.LinuxSeccompOperator]func(x, v, two uint64) bool{
		specs.OpEqualTo:      func(x, v, _ uint64) bool { return x == v },
		specs.OpNotEqual:     func(x, v, _ uint64) bool { return x != v },
		specs.OpGreaterThan:  func(x, v, _ uint64) bool { return x > v },
		specs.OpGreaterEqual: func(x, v, _ uint64) bool { return x >= v },
		specs.OpLessThan:     func(x, v, _ uint64) bool { return x < v },
		specs.OpLessEqual:    func(x, v, _ uint64) bool { return x <= v },
		specs.OpMaskedEqual:  func(x, v, two uint64) bool { return x&v == two },
	}
	values := []uint64{0, 1, 2, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 5<<32 + 7, 7<<32 + 5, 1 << 63, 1<<64 - 1}
	nr := number(t, "mmap", func(c *call) int32 { return c.amd64 })
	for op, want := range holds {
		for i, v := range values {
			two := v & values[(i+3)%len(values)]
			prog := mustCompile(t, oneRule("mmap", specs.LinuxSeccompArg{Index: uint(i % 6), Value: v, ValueTwo: two, Op: op}), "amd64")
			for _, x := range append(values, two, ^v) {
				d := data{number: nr, audit: unix.AUDIT_ARCH_X86_64}
				d.args[i%6] = x
				if got := run(t, prog, d) == unix.SECCOMP_RET_ALLOW; got != want(x, v, two) {
					t.Errorf("%s: %#x against %#x, %#x: %v", op, x, v, two, got)
				}
			}
		}
	}
}

func oneRule(name string, args ...specs.LinuxSeccompArg) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
		{Names: []string{name}, Action: specs.ActAllow, Args: args},
	}}
}

func TestConditionsOfOneRuleMustAllHold(t *testing.T) {
	var args []specs.LinuxSeccompArg
	for i := range uint(6) {
		args = append(args, specs.LinuxSeccompArg{Index: i, Value: uint64(i) << 32, ValueTwo: 0, Op: specs.OpGreaterEqual})
	}
	prog := mustCompile(t, oneRule("mmap", args...), "amd64")
	d := data{number: 9, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{0, 1 << 32, 2 << 32, 3 << 32, 4 << 32, 5 << 32}}
	if run(t, prog, d) != unix.SECCOMP_RET_ALLOW {
		t.Error("all conditions hold, and the call is refused")
	}
	for i := 1; i < 6; i++ {
		bad := d
		bad.args[i]--
		if run(t, prog, bad) == unix.SECCOMP_RET_ALLOW {
			t.Errorf("condition %d fails, and the call is allowed", i)
		}
	}
}

func TestConditionsOnOneArgumentAreAlternatives(t *testing.T) {
	prog := mustCompile(t, oneRule("mmap",
		specs.LinuxSeccompArg{Index: 1, Value: 3, Op: specs.OpEqualTo},
		specs.LinuxSeccompArg{Index: 1, Value: 5, Op: specs.OpEqualTo}), "amd64")
	for x, want := range map[uint64]bool{3: true, 4: false, 5: true} {
		d := data{number: 9, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{0, x}}
		if got := run(t, prog, d) == unix.SECCOMP_RET_ALLOW; got != want {
			t.Errorf("mmap(_, %d) allowed: %v, want %v", x, got, want)
		}
	}
}

// The kernel takes the family of socket(2) as an int: the upper half must not change the answer.
func TestSocketFamiliesOfTheDefaultProfile(t *testing.T) {
	prog := mustCompile(t, resolveFor(t, "amd64", dockerCaps()), "amd64")
	nr := number(t, "socket", func(c *call) int32 { return c.amd64 })
	for family := uint64(0); family < 64; family++ {
		want := family != unix.AF_ALG && family != unix.AF_VSOCK
		for _, upper := range []uint64{0, 1 << 32, 1 << 63} {
			d := data{number: nr, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{family | upper}}
			if got := run(t, prog, d) == unix.SECCOMP_RET_ALLOW; got != want {
				t.Errorf("socket(%#x) allowed: %v, want %v", family|upper, got, want)
			}
		}
	}
}

func TestCloneOfNamespacesOfTheDefaultProfile(t *testing.T) {
	nr := number(t, "clone", func(c *call) int32 { return c.amd64 })
	for _, caps := range [][]string{dockerCaps(), append(dockerCaps(), "CAP_SYS_ADMIN")} {
		prog := mustCompile(t, resolveFor(t, "amd64", caps), "amd64")
		for flags, harmless := range map[uint64]bool{
			unix.CLONE_VM | unix.CLONE_THREAD: true, uint64(unix.SIGCHLD): true, unix.CLONE_NEWUSER: false,
			unix.CLONE_NEWNS | unix.CLONE_VM: false, unix.CLONE_NEWCGROUP: false,
		} {
			want := harmless || len(caps) > 14
			d := data{number: nr, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{flags}}
			if got := run(t, prog, d) == unix.SECCOMP_RET_ALLOW; got != want {
				t.Errorf("with %d capabilities clone(%#x) allowed: %v, want %v", len(caps), flags, got, want)
			}
		}
	}
}

func TestOrderOfRules(t *testing.T) {
	eperm, eio := uint(unix.EPERM), uint(unix.EIO)
	one := []specs.LinuxSeccompArg{{Index: 0, Value: 1, Op: specs.OpEqualTo}}
	rule := func(act specs.LinuxSeccompAction, errno *uint, args []specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"mmap", "no_such_call"}, Action: act, ErrnoRet: errno, Args: args}
	}
	for _, test := range []struct {
		name  string
		rules []specs.LinuxSyscall
		arg   uint64
		want  uint32
	}{
		{"a rule without conditions wins over an earlier one with", []specs.LinuxSyscall{
			rule(specs.ActErrno, &eio, one), rule(specs.ActAllow, nil, nil)}, 1, unix.SECCOMP_RET_ALLOW},
		{"and over a later one", []specs.LinuxSyscall{
			rule(specs.ActAllow, nil, nil), rule(specs.ActErrno, &eio, one)}, 1, unix.SECCOMP_RET_ALLOW},
		{"the first of two without conditions counts", []specs.LinuxSyscall{
			rule(specs.ActErrno, &eio, nil), rule(specs.ActAllow, nil, nil)}, 1, errno(uint32(unix.EIO))},
		{"a rule that repeats the default says nothing", []specs.LinuxSyscall{
			rule(specs.ActErrno, &eperm, nil), rule(specs.ActAllow, nil, one)}, 1, unix.SECCOMP_RET_ALLOW},
		{"no condition holds", []specs.LinuxSyscall{rule(specs.ActAllow, nil, one)}, 2, errno(uint32(unix.EPERM))},
	} {
		t.Run(test.name, func(t *testing.T) {
			prog := mustCompile(t, &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: test.rules}, "amd64")
			d := data{number: 9, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{test.arg}}
			if got := run(t, prog, d); got != test.want {
				t.Errorf("%#x, want %#x", got, test.want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	seven := uint(7)
	for _, test := range []struct {
		act   specs.LinuxSeccompAction
		errno *uint
		want  uint32
	}{
		{specs.ActAllow, nil, unix.SECCOMP_RET_ALLOW},
		{specs.ActLog, nil, unix.SECCOMP_RET_LOG},
		{specs.ActErrno, nil, errno(uint32(unix.EPERM))},
		{specs.ActErrno, &seven, errno(7)},
		{specs.ActTrace, &seven, unix.SECCOMP_RET_TRACE | 7},
		{specs.ActTrap, nil, unix.SECCOMP_RET_TRAP},
		{specs.ActKill, nil, unix.SECCOMP_RET_KILL_THREAD},
		{specs.ActKillThread, nil, unix.SECCOMP_RET_KILL_THREAD},
		{specs.ActKillProcess, nil, unix.SECCOMP_RET_KILL_PROCESS},
	} {
		got, err := action(test.act, test.errno)
		if err != nil || got != test.want {
			t.Errorf("%s: %#x, %v; want %#x", test.act, got, err, test.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	big := uint(5000)
	many := specs.LinuxSyscall{Names: []string{"mmap"}, Action: specs.ActAllow}
	var tooMany []specs.LinuxSyscall
	for i := range uint64(2000) {
		many.Args = []specs.LinuxSeccompArg{{Index: 0, Value: i, Op: specs.OpEqualTo}}
		tooMany = append(tooMany, many)
	}
	for name, p := range map[string]*specs.LinuxSeccomp{
		"no default action": {},
		"unknown action":    {DefaultAction: "SCMP_ACT_SING"},
		"notify":            {DefaultAction: specs.ActNotify},
		"errno too big":     {DefaultAction: specs.ActErrno, DefaultErrnoRet: &big},
		"argument 6":        oneRule("mmap", specs.LinuxSeccompArg{Index: 6, Op: specs.OpEqualTo}),
		"unknown operator":  oneRule("mmap", specs.LinuxSeccompArg{Op: "SCMP_CMP_LIKE"}),
		"too many rules":    {DefaultAction: specs.ActErrno, Syscalls: tooMany},
	} {
		if _, err := compile(p, "amd64"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := compile(oneRule("mmap"), "s390x"); err == nil {
		t.Error("an architecture without a table: no error")
	}
}

func TestFlags(t *testing.T) {
	flags, err := Flags(&specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow}})
	if want := uint(unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW); err != nil || flags != want {
		t.Errorf("%#x, %v; want %#x", flags, err, want)
	}
	if _, err := Flags(&specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}}); err == nil {
		t.Error("a flag for notification: no error")
	}
}

func TestTablesAreSortedAndComplete(t *testing.T) {
	for i := 1; i < len(calls); i++ {
		if calls[i-1].name >= calls[i].name {
			t.Fatalf("%s comes before %s: the binary search needs them sorted", calls[i-1].name, calls[i].name)
		}
	}
	for name, want := range map[string]call{ // from the kernel's tables
		"read":     {amd64: 0, x32: 0, i386: 3, arm64: 63, arm: 3},
		"ioctl":    {amd64: 16, x32: 514, i386: 54, arm64: 29, arm: 54},
		"pwritev2": {amd64: 328, x32: 547, i386: 379, arm64: 287, arm: 393},
		"clone3":   {amd64: 435, x32: 435, i386: 435, arm64: 435, arm: 435},
		"set_tls":  {amd64: -1, x32: -1, i386: -1, arm64: -1, arm: 0xf0005},
	} {
		i, ok := find(name)
		want.name = name
		if !ok || calls[i] != want {
			t.Errorf("%s: %+v, want %+v", name, calls[i], want)
		}
	}
}

// A profile is foreign input: whatever it says, there is an error or a program that BPF accepts and that ends.
func FuzzLoad(f *testing.F) {
	f.Add(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, uint32(0), uint64(1))
	f.Add(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"socket","action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]}]}`, uint32(41), uint64(38))
	f.Add(`{"defaultAction":"SCMP_ACT_KILL","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X32"]}],"syscalls":[{"names":["clone"],"action":"SCMP_ACT_TRACE","args":[{"index":5,"value":1,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"},{"index":5,"value":9,"op":"SCMP_CMP_LT"}],"includes":{"minKernel":"4.8"}}]}`, uint32(56), uint64(2))
	f.Fuzz(func(t *testing.T, text string, number uint32, arg uint64) {
		p, err := Load([]byte(text), dockerCaps())
		if err != nil || p == nil {
			return
		}
		for _, goarch := range []string{"amd64", "arm64"} {
			prog, err := compile(p, goarch)
			if err != nil {
				return
			}
			run(t, prog, data{number: number, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{arg, arg, arg, arg, arg, arg}})
		}
	})
}
