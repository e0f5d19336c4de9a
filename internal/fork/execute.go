package fork

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// code is a Program in the form that the child walks: no Go pointers but the
// two slices, nothing that allocates, everything in memory before the fork.
type code struct {
	steps  []instruction
	slots  [maxSlots]uintptr
	status int // descriptor that records are written to
	record record
}

type instruction struct {
	kind     stepKind
	report   bool
	positive bool
	save     int8
	fromSlot [6]int8
	number   uintptr
	args     [6]uintptr
	errnos   [3]uint64
	onError  int // step to go on at
	nonZero  int // step to go on at, -1 for none
}

// record is what a child tells its parent.
type record struct {
	kind        recordKind
	step, value int32
}

type recordKind int32

const (
	recordFailed    recordKind = iota + 1 // the child gave up at step with errno value
	recordTolerated                       // step failed with errno value, and the child went on
	recordReport                          // value was asked for by Program.Report
)

func (p *Program) compile(status int) *code {
	c := &code{steps: make([]instruction, len(p.steps)), status: status}
	for i, s := range p.steps {
		in := instruction{
			kind: s.kind, report: s.report, positive: s.positive, save: s.save, fromSlot: s.fromSlot,
			number: s.number, args: s.args, errnos: s.errnos, onError: i + 1, nonZero: -1,
		}
		if s.onError != nil {
			in.onError = s.onError.target
		}
		if s.nonZero != nil {
			in.nonZero = s.nonZero.target
		}
		c.steps[i] = in
	}
	return c
}

// execute runs the steps in a forked child. Only raw system calls may happen
// here: the runtime's other threads do not exist in this process, so nothing
// may allocate, grow the stack, take a lock or be preempted.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *code) execute() {
	for i := 0; i < len(c.steps); {
		s := &c.steps[i]
		switch s.kind {
		case kindGoto:
			i = s.nonZero
			continue
		case kindReport:
			c.tell(recordReport, i, c.slots[s.fromSlot[0]-1])
			i++
			continue
		case kindFail:
			c.tell(recordFailed, i, s.number)
			return
		}
		for j := range s.args {
			if s.fromSlot[j] != 0 {
				s.args[j] = c.slots[s.fromSlot[j]-1]
			}
		}
		if s.kind == kindClose {
			c.closeAllBut(s.number, &s.args)
			i++
			continue
		}
		if s.kind == kindSignals {
			resetSignals(s.args[0])
			i++
			continue
		}
		if s.kind == kindMoveStatus {
			s.args[0] = uintptr(c.status)
		}
		result, _, errno := syscall.RawSyscall6(s.number, s.args[0], s.args[1], s.args[2], s.args[3], s.args[4], s.args[5])
		if errno == 0 && s.positive && result == 0 {
			errno = unix.EPIPE
		}
		if errno != 0 {
			if errno >= 192 || s.errnos[errno/64]&(1<<(errno%64)) == 0 {
				c.tell(recordFailed, i, uintptr(errno))
				return
			}
			if s.report {
				c.tell(recordTolerated, i, uintptr(errno))
			}
			i = s.onError
			continue
		}
		if s.kind == kindMoveStatus {
			c.status = int(result)
		}
		if s.save != 0 {
			c.slots[s.save-1] = result
		}
		if s.nonZero >= 0 && result != 0 {
			i = s.nonZero
			continue
		}
		i++
	}
}

// closeAllBut closes what lies between the descriptors to keep, from first on. close_range(2) fails only where the kernel does not have it.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *code) closeAllBut(first uintptr, keep *[6]uintptr) {
	const last = 1<<32 - 1
	for low := first; low <= last; {
		next := uintptr(c.status)
		if next < low {
			next = last
		}
		for i := range keep {
			if keep[i] >= low && keep[i] < next {
				next = keep[i]
			}
		}
		if next > low {
			syscall.RawSyscall(unix.SYS_CLOSE_RANGE, low, next-1, 0)
		}
		low = next + 1
	}
}

// lastSignal is the last of the real-time signals, signal(7).
const lastSignal = 64

// resetSignals gives all signals one disposition. Only those that cannot have
// another, SIGKILL and SIGSTOP, refuse.
//
//go:nosplit
//go:norace
//go:nocheckptr
func resetSignals(action uintptr) {
	for s := uintptr(1); s <= lastSignal; s++ {
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, s, action, 0, 8, 0, 0)
	}
}

// tell writes a record; a parent that is gone needs no answer.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *code) tell(kind recordKind, step int, value uintptr) {
	c.record.kind, c.record.step, c.record.value = kind, int32(step), int32(value)
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(c.status), uintptr(unsafe.Pointer(&c.record)), unsafe.Sizeof(c.record))
}
