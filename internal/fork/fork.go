// Package fork starts processes that arrange their own namespaces.
//
// A Go program has many threads, and the kernel lets only a single-threaded
// process enter a user namespace (setns(2)). So the work is done by a forked
// child in which no Go code runs: the parent compiles what has to happen into
// a [Program], a list of raw system calls, and the child executes that list
// and nothing else. Its last step replaces the child by another program.
//
// Do not use this package to start an ordinary program: os/exec does that.
package fork

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options say how the child is cloned.
type Options struct {
	// Flags are the CLONE_NEW* flags of clone(2); the child's termination
	// signal is always SIGCHLD and its memory is always a copy.
	Flags uint64
	// Cgroup is a descriptor of the cgroup v2 folder that the child is born in
	// (CLONE_INTO_CGROUP, kernel 5.7), or 0.
	Cgroup int
}

// Process is a child that executes a Program.
type Process struct {
	PID     int // in the pid namespace of the caller
	program *Program
	status  *os.File
	early   []record // read by Report, meant for Wait
}

// cloneArgs is struct clone_args of clone3(2), version 2 (kernel 5.7).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
	cgroup                                        uint64
}

// Start forks a child that executes p. It returns once the child exists; call
// Wait to learn whether it got to the end. The caller reaps the child.
//
// A child that asked to be signalled when its parent dies (PR_SET_PDEATHSIG)
// is signalled when the calling thread ends: lock a goroutine to it.
func Start(p *Program, o Options) (*Process, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	args := &cloneArgs{flags: o.Flags, exitSignal: uint64(unix.SIGCHLD)}
	if o.Cgroup != 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(o.Cgroup)
	}
	pid, errno := clone(args, p.compile(int(writer.Fd())))
	runtime.KeepAlive(p)
	if errno != 0 {
		reader.Close()
		return nil, os.NewSyscallError("clone3", errno)
	}
	return &Process{PID: pid, program: p, status: reader}, nil
}

// clone forks. In the child it does not return. It may not be preempted or
// grow its stack between the runtime's two hooks.
//
//go:noinline
//go:norace
func clone(args *cloneArgs, code *code) (pid int, errno syscall.Errno) {
	syscall.ForkLock.Lock()
	beforeFork()
	r, _, e := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if e != 0 || r != 0 {
		afterFork()
		syscall.ForkLock.Unlock()
		return int(r), e
	}
	afterForkInChild()
	code.execute()
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// StepError reports the step at which a child gave up.
type StepError struct {
	Step string // what it was about, as given to Program.Call
	Err  error  // a syscall.Errno
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }

// ErrGone is returned by Wait when the child ended without a word, which only
// a signal can make it do.
var ErrGone = errors.New("process was killed while it was being set up")

// Wait waits until the child has executed its last step, normally execve, and
// returns nil, or until a step failed, and returns a *StepError.
// Errors of steps that were allowed to fail are joined to it.
func (p *Process) Wait() error {
	defer p.status.Close()
	var tolerated []error
	for {
		r, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		failure := &StepError{Step: p.program.steps[r.step].name, Err: syscall.Errno(r.value)}
		switch r.kind {
		case recordTolerated:
			tolerated = append(tolerated, failure)
		case recordFailed:
			if len(tolerated) > 0 {
				return errors.Join(append(tolerated, error(failure))...)
			}
			return failure
		default:
			return fmt.Errorf("internal: unexpected record %d from step %q", r.kind, failure.Step)
		}
	}
}

// Report waits for the value that the child sends by a Program.Report step.
//
// A process that the child cloned writes to the same pipe and may be faster:
// what it says before the report is kept for Wait.
func (p *Process) Report() (int, error) {
	for {
		r, err := p.read()
		switch {
		case errors.Is(err, io.EOF):
			return 0, p.gone()
		case err != nil:
			return 0, err
		case r.kind == recordReport:
			return int(r.value), nil
		}
		p.early = append(p.early, r)
	}
}

// gone is why no report came: the step that failed, if it said so.
func (p *Process) gone() error {
	for _, r := range p.early {
		if r.kind == recordFailed {
			return &StepError{Step: p.program.steps[r.step].name, Err: syscall.Errno(r.value)}
		}
	}
	return ErrGone
}

// next returns the next record, first those that Report passed over.
func (p *Process) next() (record, error) {
	if len(p.early) > 0 {
		r := p.early[0]
		p.early = p.early[1:]
		return r, nil
	}
	return p.read()
}

func (p *Process) read() (record, error) {
	var r record
	_, err := io.ReadFull(p.status, unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r)))
	return r, err
}
