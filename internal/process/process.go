// Package process names processes so that the name can be written down: the
// kernel uses process ids again, but not with the same start time.
package process

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// ID names a process for good, within one boot of the machine and as seen from
// one pid namespace.
type ID struct {
	PID   int
	Start string // clock ticks since boot: field 22 of /proc/PID/stat, proc(5)
}

// Identify returns the process that has the id now. A zombie is none.
func Identify(pid int) (ID, error) {
	p, state, err := read(pid)
	if err == nil && (state == "Z" || state == "X") {
		err = fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	if err != nil {
		return ID{}, err
	}
	return p, nil
}

// read returns who has the id, with the state of its first thread.
func read(pid int) (p ID, state string, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, "", err
	}
	// Field 2, the command's name, may itself contain blanks and brackets.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return p, "", fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	return ID{pid, fields[19]}, fields[0], nil
}

// Alive reports whether the process still exists.
func (p ID) Alive() bool {
	if p.PID == 0 {
		return false
	}
	now, err := Identify(p.PID)
	return err == nil && now == p
}

// Known reports whether the id is still this process's, be it a zombie: that is
// what the first thread of a process becomes whose others have yet to end.
func (p ID) Known() bool {
	if p.PID == 0 {
		return false
	}
	now, _, err := read(p.PID)
	return err == nil && now == p
}

// Boot returns an id that is new after each start of the machine.
var Boot = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})
