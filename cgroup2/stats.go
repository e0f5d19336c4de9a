package cgroup2

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Stats is what the kernel has counted for a group. Fields of a controller that the group
// does not have are zero; a limit of 0 means none.
type Stats struct {
	CPU         time.Duration // time on all CPUs together
	CPUUser     time.Duration
	CPUSystem   time.Duration
	Memory      uint64 // bytes, page cache included
	MemoryFile  uint64 // bytes of page cache not used recently, which Docker does not count as used
	MemoryLimit uint64 // bytes
	Pids        uint64 // processes and threads
	PidsLimit   uint64
	ReadBytes   uint64 // from block devices
	WriteBytes  uint64
	OOMKills    uint64
}

// Stats reads the counters of the group.
func (g *Group) Stats() (Stats, error) {
	if g == nil {
		return Stats{}, ErrNoGroup
	}
	cpu, err := readKeyed(g.path, "cpu.stat")
	if err != nil {
		return Stats{}, err
	}
	s := Stats{
		CPU:         microseconds(cpu["usage_usec"]),
		CPUUser:     microseconds(cpu["user_usec"]),
		CPUSystem:   microseconds(cpu["system_usec"]),
		Memory:      g.number("memory.current"),
		MemoryLimit: g.number("memory.max"),
		Pids:        g.number("pids.current"),
		PidsLimit:   g.number("pids.max"),
	}
	memory, _ := readKeyed(g.path, "memory.stat")
	s.MemoryFile = memory["inactive_file"]
	io, _ := read(g.path, "io.stat")
	s.ReadBytes, s.WriteBytes = parseIO(io)
	s.OOMKills, _ = g.OOMKills()
	return s, nil
}

// OOMKills counts the processes of the group that the kernel has killed for want of memory. Read it
// before Remove, and before the last process has left the group's scope: systemd removes an empty one.
// It is 0 without a memory controller, and ErrGone without the group.
func (g *Group) OOMKills() (uint64, error) {
	if g == nil {
		return 0, nil
	}
	events, err := readKeyed(g.path, "memory.events")
	if errors.Is(err, ErrGone) && exists(g.path) {
		return 0, nil
	}
	return events["oom_kill"], err
}

// number reads a file of one number; "max" and a missing file are 0.
func (g *Group) number(file string) uint64 {
	text, _ := read(g.path, file)
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

func microseconds(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }

// parseIO sums io.stat over the devices: "8:0 rbytes=1 wbytes=2 rios=3 ...".
func parseIO(text string) (readBytes, writeBytes uint64) {
	for field := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(field, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "rbytes":
			readBytes += n
		case "wbytes":
			writeBytes += n
		}
	}
	return readBytes, writeBytes
}
