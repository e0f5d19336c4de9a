// Package seccomp turns a seccomp profile into the program that the kernel runs on every system call of a
// container: classic BPF, made here, without libseccomp.
//
// The program finds the architecture of the call, then its number by binary search over ranges of numbers
// that are treated alike, and looks at arguments only for the few calls that have conditions. It holds all
// architectures that the machine can run: with x86_64 also x86 and x32, with aarch64 also arm. A name which
// no architecture knows is dropped.
//
// Three things are as in runc, where Docker's profile is at home: a number above all that the profile knows
// fails with ENOSYS, so that a C library newer than the profile falls back to older calls; a rule without
// conditions wins over those with; several conditions on one argument are alternatives.
//
// One is stricter than libseccomp: arguments which the kernel itself cuts to 32 bits are compared so.
// Otherwise socket(1<<32 | AF_ALG) would be "greater than AF_VSOCK", allowed by Docker's profile, and then be
// AF_ALG to the kernel.
package seccomp

//go:generate go run ./gensyscalls
//go:generate go test -run TestDefaultProgram -update .

import (
	"fmt"
	"runtime"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxInstructions is BPF_MAXINSNS: the kernel takes no longer program.
const maxInstructions = 4096

// Compile makes the program for profile p on this machine. The architectures of p that the machine does not
// have are left out; its own is always in.
func Compile(p *specs.LinuxSeccomp) ([]unix.SockFilter, error) {
	return compile(p, runtime.GOARCH)
}

// Default gives the program of Docker's default profile for a container that has the capabilities caps (CAP_
// names) in its bounding set. For those that Docker leaves to a container, and any other that the profile does
// not ask about, it was made beforehand: making it takes 0.1 to 0.4 ms, copying it one thousandth of that.
func Default(caps []string) ([]unix.SockFilter, error) {
	if usual(caps) {
		return unpack(defaultProgram[:]), nil
	}
	p, err := defaultProfile(caps)
	if err != nil {
		return nil, err
	}
	return Compile(p)
}

// usual is whether the default profile decides for caps as it did when defaultProgram was made.
func usual(caps []string) bool {
	for _, c := range profileCaps {
		if slices.Contains(caps, c) != slices.Contains(defaultCaps[:], c) {
			return false
		}
	}
	return true
}

// unpack reads instructions of the form code<<48 | jt<<40 | jf<<32 | k.
func unpack(packed []uint64) []unix.SockFilter {
	prog := make([]unix.SockFilter, len(packed))
	for i, in := range packed {
		prog[i] = unix.SockFilter{Code: uint16(in >> 48), Jt: uint8(in >> 40), Jf: uint8(in >> 32), K: uint32(in)}
	}
	return prog
}

func compile(p *specs.LinuxSeccomp, goarch string) ([]unix.SockFilter, error) {
	c, err := newCompiler(p)
	if err != nil {
		return nil, err
	}
	arches, err := architectures(p.Architectures, goarch)
	if err != nil {
		return nil, err
	}
	prog := make(program, 0, 1024)
	prog.emit(load(offArch))
	for _, a := range arches {
		prog.section(a.audit, c.spans(a))
	}
	// A call of any other architecture kills the process: its number would mean something else.
	prog.emit(ret(unix.SECCOMP_RET_KILL_PROCESS))
	if len(prog) > maxInstructions {
		return nil, fmt.Errorf("the seccomp profile needs %d instructions, and the kernel takes %d: give it fewer "+
			"conditions", len(prog), maxInstructions)
	}
	return prog, nil
}

// Flags gives the flags of seccomp(2) with which the program of p is to be loaded.
func Flags(p *specs.LinuxSeccomp) (uint, error) {
	var flags uint
	for _, f := range p.Flags {
		switch f {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case "SECCOMP_FILTER_FLAG_TSYNC": // there is one thread when the program is loaded
		default:
			return 0, fmt.Errorf("seccomp flag %q is not supported", f)
		}
	}
	return flags, nil
}
