package cgroup2

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// setting is one control file and what to write there.
type setting struct {
	limit Limit
	file  string
	value string
}

// settings translates the limits of a runtime-spec to cgroup v2 files, in the order they have
// to be written. Zero and nil mean "not asked for", as Docker has it; -1 means no limit.
func settings(r *specs.LinuxResources) ([]setting, error) {
	if r == nil {
		return nil, nil
	}
	memory, err := memorySettings(r.Memory)
	if err != nil {
		return nil, err
	}
	all := append(memory, cpuSettings(r.CPU)...)
	if p := r.Pids; p != nil && p.Limit != nil && *p.Limit != 0 {
		all = append(all, setting{Limit{"--pids-limit", "pids"}, "pids.max", orMax(*p.Limit)})
	}
	return append(all, ioSettings(r.BlockIO)...), nil
}

// memorySettings follows Docker: the swap limit is memory and swap together, equal to memory means
// no swap, -1 as much as there is, and unset as much again as memory.
func memorySettings(m *specs.LinuxMemory) ([]setting, error) {
	if m == nil {
		return nil, nil
	}
	var all []setting
	limit, swap := value(m.Limit), value(m.Swap)
	if swap > 0 && limit <= 0 {
		return nil, errors.New("--memory-swap needs --memory")
	}
	if swap > 0 && swap < limit {
		return nil, errors.New("--memory-swap counts memory and swap together, so it cannot be less than --memory")
	}
	if limit != 0 {
		all = append(all, setting{Limit{"--memory", "memory"}, "memory.max", orMax(limit)})
	}
	switch {
	case swap == -1, limit < 0:
		all = append(all, setting{Limit{"--memory-swap", "memory"}, "memory.swap.max", "max"})
	case swap > 0:
		all = append(all, setting{Limit{"--memory-swap", "memory"}, "memory.swap.max", decimal(swap - limit)})
	case limit > 0:
		all = append(all, setting{Limit{"--memory", "memory"}, "memory.swap.max", decimal(limit)})
	}
	if low := value(m.Reservation); low != 0 {
		all = append(all, setting{Limit{"--memory-reservation", "memory"}, "memory.low", orMax(low)})
	}
	return all, nil
}

func cpuSettings(c *specs.LinuxCPU) []setting {
	if c == nil {
		return nil
	}
	var all []setting
	if weight := cpuWeightOf(value(c.Shares)); weight != 0 {
		all = append(all, setting{Limit{"--cpu-shares", "cpu"}, "cpu.weight", strconv.FormatUint(weight, 10)})
	}
	if quota, period := value(c.Quota), value(c.Period); quota != 0 || period != 0 {
		all = append(all, setting{Limit{quotaFlag(quota), "cpu"}, "cpu.max", cpuMax(quota, period)})
	}
	if c.Cpus != "" {
		all = append(all, setting{Limit{"--cpuset-cpus", "cpuset"}, "cpuset.cpus", c.Cpus})
	}
	if c.Mems != "" {
		all = append(all, setting{Limit{"--cpuset-mems", "cpuset"}, "cpuset.mems", c.Mems})
	}
	return all
}

// quotaFlag is what a refusal blames; --cpus is a quota too and by far the usual way to ask for one.
func quotaFlag(quota int64) string {
	if quota == 0 {
		return "--cpu-period"
	}
	return "--cpus"
}

// cpuMax is "QUOTA PERIOD" in microseconds; without a period it is the kernel's default.
func cpuMax(quota int64, period uint64) string {
	const defaultPeriod = 100000
	if period == 0 {
		period = defaultPeriod
	}
	q := "max"
	if quota > 0 {
		q = decimal(quota)
	}
	return q + " " + strconv.FormatUint(period, 10)
}

// cpuWeightOf converts cpu-shares (2 to 262144, usually 1024) to cpu.weight (1 to 10000, usually 100). The
// curve goes through both ends and both defaults, as crun 1.23 and runc 1.3.2 have it;
// the straight line used before gave a container of 1024 shares a weight of 39. 0 stays 0: unset.
func cpuWeightOf(shares uint64) uint64 {
	const lowest, highest = 2, 262144
	switch {
	case shares == 0:
		return 0
	case shares <= lowest:
		return 1
	case shares >= highest:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// ioWeightOf converts blkio-weight (10 to 1000) to io.weight (1 to 10000). 0 stays 0: unset.
func ioWeightOf(weight uint16) uint64 {
	if weight == 0 {
		return 0
	}
	return 1 + (uint64(weight)-10)*9999/990
}

// The two files an I/O weight can go to: the scheduler BFQ has its own, which takes Docker's numbers.
const (
	bfqWeight = "io.bfq.weight"
	ioWeight  = "io.weight"
)

func ioSettings(b *specs.LinuxBlockIO) []setting {
	if b == nil {
		return nil
	}
	var all []setting
	if w := value(b.Weight); w != 0 {
		all = append(all, setting{Limit{"--blkio-weight", "io"}, bfqWeight, strconv.Itoa(int(w))})
	}
	for _, d := range b.WeightDevice {
		v := fmt.Sprintf("%d:%d %d", d.Major, d.Minor, value(d.Weight))
		all = append(all, setting{Limit{"--blkio-weight-device", "io"}, bfqWeight, v})
	}
	for _, t := range []struct {
		flag, key string
		devices   []specs.LinuxThrottleDevice
	}{
		{"--device-read-bps", "rbps", b.ThrottleReadBpsDevice},
		{"--device-write-bps", "wbps", b.ThrottleWriteBpsDevice},
		{"--device-read-iops", "riops", b.ThrottleReadIOPSDevice},
		{"--device-write-iops", "wiops", b.ThrottleWriteIOPSDevice},
	} {
		for _, d := range t.devices {
			v := fmt.Sprintf("%d:%d %s=%d", d.Major, d.Minor, t.key, d.Rate)
			all = append(all, setting{Limit{t.flag, "io"}, "io.max", v})
		}
	}
	return all
}

// Missing lists the limits of r whose controllers are not among controllers. Memory (limit, swap,
// reservation), CPU (shares, quota, period, cpus, mems), pids and block I/O are read.
func Missing(r *specs.LinuxResources, controllers []string) []Limit {
	all, err := settings(r)
	if err != nil {
		return nil
	}
	var missing []Limit
	for _, s := range all {
		if !slices.Contains(controllers, s.limit.Controller) && !slices.Contains(missing, s.limit) && s.value != "max" {
			missing = append(missing, s.limit)
		}
	}
	return missing
}

// onlyMemory tells whether --memory alone is missing, which Watch can stand in for.
func onlyMemory(missing []Limit) bool {
	return len(missing) == 1 && missing[0].Flag == "--memory"
}

// WatchLimit returns the bytes that Watch has to enforce because the group (nil: there is none)
// cannot; 0 if it can or nothing was asked for.
func WatchLimit(g *Group, r *specs.LinuxResources) int64 {
	if r == nil || r.Memory == nil || value(r.Memory.Limit) <= 0 || slices.Contains(g.Controllers(), "memory") {
		return 0
	}
	return *r.Memory.Limit
}

// unsupported refuses what cgroup v2 has no file for, rather than ignoring it.
func unsupported(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if m := r.Memory; m != nil && (value(m.KernelTCP) > 0 || m.Swappiness != nil || value(m.DisableOOMKiller)) {
		return fmt.Errorf("kernel memory limits, swappiness and switching off the OOM killer: %w", ErrUnsupported)
	}
	if c := r.CPU; c != nil && (value(c.RealtimeRuntime) != 0 || value(c.RealtimePeriod) != 0 || c.Burst != nil || c.Idle != nil) {
		return fmt.Errorf("realtime, burst and idle scheduling: %w", ErrUnsupported)
	}
	if len(r.HugepageLimits)+len(r.Rdma)+len(r.Unified) > 0 || r.Network != nil {
		return fmt.Errorf("limits of huge pages, RDMA and network classes: %w", ErrUnsupported)
	}
	_, err := settings(r)
	return err
}

// apply writes the settings into a group.
func apply(dir string, all []setting) error {
	for _, s := range all {
		if err := s.write(dir); err != nil {
			return fmt.Errorf("set %s: %w", s.limit.Flag, err)
		}
	}
	return nil
}

// write knows two files that not every kernel has: without swap accounting there is no swap to limit
// (an explicit limit still fails), and an I/O weight goes to whichever scheduler is there.
func (s setting) write(dir string) error {
	err := write(dir, s.file, s.value)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case s.file == "memory.swap.max" && (s.limit.Flag == "--memory" || s.value == "max"):
		return nil
	case s.file == bfqWeight:
		err = write(dir, ioWeight, toIOWeight(s.value))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("this kernel has no %s: %w", s.file, ErrUnsupported)
	}
	return err
}

// toIOWeight rewrites "W" or "MAJOR:MINOR W" from BFQ's range to io.weight's.
func toIOWeight(v string) string {
	var device string
	var w uint16
	if n, _ := fmt.Sscanf(v, "%s %d", &device, &w); n == 2 {
		return fmt.Sprintf("%s %d", device, ioWeightOf(w))
	}
	n, _ := strconv.Atoi(v)
	return "default " + strconv.FormatUint(ioWeightOf(uint16(n)), 10)
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orMax writes a limit, where a negative number means none.
func orMax(n int64) string {
	if n < 0 {
		return "max"
	}
	return decimal(n)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
