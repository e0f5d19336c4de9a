package fork

import (
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Program is a list of system calls for a child to execute in order.
// The zero value is empty and ready for use. It must not change once started.
type Program struct {
	steps []step
	slots int
	pins  []any // keeps alive what steps point to
}

// Slot stands for the result of an earlier step.
type Slot int

// Label is a place in a Program that steps can go on from.
type Label struct{ target int }

// A Step is a system call that was just added, to be qualified.
type Step struct{ *step }

const maxSlots = 64

// step is one system call. It holds no Go pointers: a child that was forked
// while the collector ran could not follow their write barriers.
type step struct {
	name     string
	kind     stepKind
	number   uintptr
	args     [6]uintptr
	fromSlot [6]int8 // slot+1 that replaces the argument, 0 for none
	save     int8    // slot+1 for the result, 0 for none
	errnos   [3]uint64
	onError  *Label // where a listed errno goes on, nil for the next step
	report   bool   // tell the parent of listed errnos
	nonZero  *Label // where a result other than 0 goes on
	positive bool   // a result of 0 is a failure (end of file)
}

type stepKind uint8

const (
	kindCall stepKind = iota
	kindGoto
	kindReport
	kindFail
	kindClose
	kindMoveStatus
	kindSignals
)

// Grow makes room for n steps, which spares the copies of a growing list.
func (p *Program) Grow(n int) { p.steps = slices.Grow(p.steps, n) }

// NewSlot reserves a place for a result, most often a descriptor.
func (p *Program) NewSlot() Slot {
	p.slots++
	if p.slots > maxSlots {
		panic("fork: too many slots")
	}
	return Slot(p.slots - 1)
}

// Call adds a system call. name says what it is for, as errors will quote it.
// Arguments are integers, a Slot, a string or []byte (passed as a pointer,
// strings with a NUL added), a []string (a NULL-terminated vector), nil, or a
// pointer to memory without Go pointers in it.
func (p *Program) Call(name string, number uintptr, args ...any) Step {
	s := step{name: name, number: number}
	for i, arg := range args {
		if slot, ok := arg.(Slot); ok {
			s.fromSlot[i] = int8(slot) + 1
			continue
		}
		s.args[i] = p.word(arg)
	}
	return p.add(s)
}

func (p *Program) add(s step) Step {
	p.steps = append(p.steps, s)
	return Step{&p.steps[len(p.steps)-1]}
}

// word turns an argument into the machine word that the kernel is given.
func (p *Program) word(arg any) uintptr {
	switch v := arg.(type) {
	case nil:
		return 0
	case int:
		return uintptr(v)
	case uint64:
		return uintptr(v)
	case uintptr:
		return v
	case string:
		return p.bytes(append([]byte(v), 0))
	case []byte:
		return p.bytes(v)
	case []string:
		return p.vector(v)
	case pointer:
		p.pins = append(p.pins, v.keep)
		return uintptr(v.address)
	}
	panic(fmt.Sprintf("fork: argument of type %T", arg))
}

func (p *Program) bytes(b []byte) uintptr {
	if len(b) == 0 {
		return 0
	}
	p.pins = append(p.pins, b)
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// vector lays out argv or envp.
func (p *Program) vector(list []string) uintptr {
	v := make([]uintptr, len(list)+1)
	for i, s := range list {
		v[i] = p.bytes(append([]byte(s), 0))
	}
	p.pins = append(p.pins, v)
	return uintptr(unsafe.Pointer(unsafe.SliceData(v)))
}

type pointer struct {
	address unsafe.Pointer
	keep    any
}

// Pointer passes the address of v, which must not contain Go pointers unless
// what they point to is kept alive by the caller until the child has started.
func Pointer[T any](v *T) any { return pointer{unsafe.Pointer(v), v} }

// Save keeps the result for later steps.
func (s Step) Save(slot Slot) Step {
	s.save = int8(slot) + 1
	return s
}

// Allow lets the call fail with one of errnos; the program goes on with the
// next step. Without errnos any failure is allowed.
func (s Step) Allow(errnos ...syscall.Errno) Step {
	if len(errnos) == 0 {
		s.errnos = [3]uint64{^uint64(0), ^uint64(0), ^uint64(0)}
	}
	for _, e := range errnos {
		s.errnos[e/64] |= 1 << (e % 64)
	}
	return s
}

// Else makes allowed failures go on at l.
func (s Step) Else(l *Label) Step {
	s.onError = l
	return s
}

// Reported makes allowed failures part of the error that Process.Wait returns
// should the program fail later.
func (s Step) Reported() Step {
	s.report = true
	return s
}

// IfNonZero makes a result other than 0 go on at l, for a step that clones.
func (s Step) IfNonZero(l *Label) Step {
	s.nonZero = l
	return s
}

// Positive makes a result of 0 a failure: the end of a file that is read.
func (s Step) Positive() Step {
	s.positive = true
	return s
}

// Mark makes the next step the one that l stands for.
func (p *Program) Mark(l *Label) { l.target = len(p.steps) }

// Goto goes on at l.
func (p *Program) Goto(l *Label) { p.add(step{name: "goto", kind: kindGoto, nonZero: l}) }

// CloseAllBut closes every descriptor from first on except keep, at most six
// descriptors or Slots, and the one over which the child reports.
func (p *Program) CloseAllBut(name string, first int, keep ...any) {
	p.Call(name, uintptr(first), keep...).kind = kindClose
}

// MoveStatus has the child report over a descriptor of that number or above, so
// that those below can be given to the program that it becomes.
func (p *Program) MoveStatus(lowest int) {
	p.Call("move the report", unix.SYS_FCNTL, 0, unix.F_DUPFD_CLOEXEC, lowest).kind = kindMoveStatus
}

// ResetSignals gives every signal its default disposition.
func (p *Program) ResetSignals(name string) {
	p.Call(name, unix.SYS_RT_SIGACTION, make([]byte, 32) /* struct sigaction with SIG_DFL */).kind = kindSignals
}

// Report sends the value of slot to the parent's Process.Report.
func (p *Program) Report(name string, slot Slot) {
	p.add(step{name: name, kind: kindReport, fromSlot: [6]int8{int8(slot) + 1}})
}

// Fail ends the child with an error.
func (p *Program) Fail(name string, errno syscall.Errno) {
	p.add(step{name: name, kind: kindFail, number: uintptr(errno)})
}

// Pin keeps v alive, for memory that is pointed to from inside an argument.
func (p *Program) Pin(v any) { p.pins = append(p.pins, v) }

// Steps returns what the program does, a line per step, for tests and people.
func (p *Program) Steps() []string {
	names := make([]string, len(p.steps))
	for i, s := range p.steps {
		names[i] = s.name
	}
	return names
}

// Exit ends the child, successfully.
func (p *Program) Exit() { p.Call("exit", unix.SYS_EXIT_GROUP, 0) }
