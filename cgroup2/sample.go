package cgroup2

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sample counts what Stats does for a container without a group, from its processes in /proc: the memory is
// their proportional share of what is resident, page cache left out. What a command of exec has used is forgotten when it ends; what
// other processes have used counts for their parents, when these wait for them. The caller is the container's
// monitor, as for Watch.
func Sample(init int) (Stats, error) {
	c, err := newContainer("/proc", init)
	if err != nil {
		return Stats{}, err
	}
	var s Stats
	for _, p := range c.processes() {
		user, system, threads := parseStat(readProc(c.path(p.pid, "stat")))
		s.CPUUser += user
		s.CPUSystem += system
		s.Pids += threads
		s.Memory += uint64(c.proportional(p))
		read, written := parseProcessIO(string(readProc(c.path(p.pid, "io"))))
		s.ReadBytes += read
		s.WriteBytes += written
	}
	s.CPU = s.CPUUser + s.CPUSystem
	return s, nil
}

// ticks are in a second: the kernel's USER_HZ, the same on all of Go's Linux machines.
const ticks = 100

// parseStat reads the processor time of a process, with that of children it has waited for, and its number of
// threads: fields 14 to 17 and 20, proc_pid_stat(5).
func parseStat(stat []byte) (user, system time.Duration, threads uint64) {
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const first = 3 // the number of fields[0]
	if len(fields) <= 20-first {
		return 0, 0, 0
	}
	number := func(n int) uint64 {
		v, _ := strconv.ParseUint(fields[n-first], 10, 64)
		return v
	}
	span := func(n uint64) time.Duration { return time.Duration(n) * (time.Second / ticks) }
	return span(number(14) + number(16)), span(number(15) + number(17)), number(20)
}

// parseProcessIO reads /proc/PID/io.
func parseProcessIO(text string) (readBytes, writeBytes uint64) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "read_bytes":
			readBytes = n
		case "write_bytes":
			writeBytes = n
		}
	}
	return readBytes, writeBytes
}

// MachineMemory is the memory of the machine in bytes, which is the limit of a container without one.
func MachineMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}
