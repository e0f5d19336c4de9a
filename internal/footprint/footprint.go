// Package footprint makes a process that waits for long small in memory.
//
// A waiting Go program holds two things it does not need: heap that the
// collector has freed but not given back, and pages of its own program file
// that it ran through once, mostly while starting. The kernel maps such pages
// sixteen at a time, so they are most of a small program's resident size.
//
// Dropping them costs nothing but page faults, some 0.5 µs each, when the code
// runs again: the pages stay in the page cache. Do not use this in a program
// that is busy or about to end.
package footprint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// again is when giveBack drops the program's pages for the second time: when the
// collector's goroutines, which it woke, are back to sleep.
const again = 300 * time.Millisecond

// giveBack gives back what the process does not need while it waits, at once
// and once more a little later: by then the collector, and what giveBack itself
// needed, are mapped again, while the second time takes but system calls.
func giveBack() error {
	debug.FreeOSMemory()
	program, err := programFile()
	if err != nil {
		return err
	}
	time.AfterFunc(again, func() { _ = dropAll(program) })
	return dropAll(program)
}

// programFile lists the pages to drop. They stay where they are.
var programFile = sync.OnceValues(func() ([]pages, error) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	relocated, err := movable("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	return programPages(maps, program, relocated), nil
})

// Offset and one value of the type in an ELF header, see elf(5).
const (
	elfType = 16
	etExec  = 2
)

// movable reports whether a program can be loaded anywhere (-buildmode=pie).
// Read-only data of such a program was written to before it was protected: it
// differs from the file.
func movable(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var kind [2]byte
	if _, err := f.ReadAt(kind[:], elfType); err != nil {
		return false, err
	}
	return binary.NativeEndian.Uint16(kind[:]) != etExec, nil
}

func dropAll(list []pages) error {
	for _, r := range list {
		if err := drop(r); err != nil {
			return fmt.Errorf("dropping pages of the program: %w", err)
		}
	}
	return nil
}

// pages is a range of addresses.
type pages struct{ start, end uintptr }

// programPages lists the mappings of the program's file that are the same in
// memory as in the file: the read-only ones, but only code if the program was
// relocated.
func programPages(maps io.Reader, program string, relocated bool) []pages {
	var list []pages
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var r pages
		var permissions, offset, device, inode string
		n, err := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %s", &r.start, &r.end, &permissions, &offset, &device, &inode)
		if err != nil || n != 6 || len(permissions) != 4 || permissions[1] != '-' || r.end <= r.start {
			continue
		}
		if relocated && permissions[2] != 'x' {
			continue
		}
		if strings.HasSuffix(lines.Text(), " "+program) {
			list = append(list, r)
		}
	}
	return list
}

// drop unmaps the pages until they are touched again.
func drop(r pages) error {
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	if errno != 0 {
		return errno
	}
	return nil
}

// refresh is a little shorter than the two minutes after which the runtime
// collects garbage even in an idle program, and in doing so maps a megabyte of
// the program again. giveBack collects too, which sets that clock back.
const refresh = 110 * time.Second

// Idler calls giveBack some time after a burst of activity began, and then
// often enough that the program stays small.
type Idler struct {
	delay time.Duration
	armed atomic.Bool
	timer *time.Timer
}

// NewIdler returns an Idler that waits for delay after the first Touch. The
// delay should be well above the time that a burst takes, or pages are dropped
// only to be faulted in again.
func NewIdler(delay time.Duration) *Idler {
	i := &Idler{delay: delay}
	i.timer = time.AfterFunc(delay, i.release)
	return i
}

// Touch says that the process is doing something. It is cheap enough for
// every request.
func (i *Idler) Touch() {
	if !i.armed.Load() && !i.armed.Swap(true) {
		i.timer.Reset(i.delay)
	}
}

func (i *Idler) release() {
	i.armed.Store(false)
	// A process that cannot shrink works as well.
	_ = giveBack()
	if !i.armed.Load() {
		i.timer.Reset(refresh)
	}
}
