package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Bounds of limits, Docker's and the kernel's.
const (
	minMemory     = 6 << 20
	cpuPeriod     = 100_000 // microseconds, of --cpus
	minCPUPeriod  = 1_000
	maxCPUPeriod  = 1_000_000
	minCPUQuota   = 1_000
	minBlkioWeigh = 10
	maxBlkioWeigh = 1_000
)

func (b *builder) setResources() error {
	r, err := b.opts.Limits.Resources(b.host.CPUs)
	if err != nil {
		return err
	}
	b.spec.Linux.Resources = r
	return nil
}

// Resources gives the limits in the form of the runtime-spec; nil when there are none. cpus is how many processors
// the machine has. It looks at the device files that limits name.
func (l Limits) Resources(cpus int) (*specs.LinuxResources, error) {
	r := &specs.LinuxResources{}
	for _, step := range []func(*specs.LinuxResources, int) error{l.memory, l.cpu, l.cpuset, l.pids, l.blkio} {
		if err := step(r, cpus); err != nil {
			return nil, err
		}
	}
	if r.Memory == nil && r.CPU == nil && r.Pids == nil && r.BlockIO == nil {
		return nil, nil
	}
	return r, nil
}

func (l Limits) memory(r *specs.LinuxResources, _ int) error {
	m := specs.LinuxMemory{}
	var err error
	if m.Limit, err = memorySize("--memory", l.Memory); err != nil {
		return err
	}
	if m.Reservation, err = memorySize("--memory-reservation", l.MemoryReservation); err != nil {
		return err
	}
	if m.Swap, err = l.memorySwap(m.Limit); err != nil {
		return err
	}
	if m.Limit != nil && m.Reservation != nil && *m.Reservation > *m.Limit {
		return fmt.Errorf("--memory %s is below --memory-reservation %s: the reservation is a part of it", l.Memory,
			l.MemoryReservation)
	}
	if m != (specs.LinuxMemory{}) {
		r.Memory = &m
	}
	return nil
}

// memorySize is nil for "" and 0.
func memorySize(flag, s string) (*int64, error) {
	if s == "" {
		return nil, nil
	}
	n, err := units.RAMInBytes(s)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("invalid size for %s: %q; give bytes, or a number with k, m or g, such as 64m", flag, s)
	}
	if n == 0 {
		return nil, nil
	}
	if n < minMemory {
		return nil, fmt.Errorf("%s %s: minimum memory limit allowed is 6MB", flag, s)
	}
	return &n, nil
}

// memorySwap is the sum of memory and swap; -1 for no limit of swap. nil, where
// it was not given, is as much swap again as memory, which is not a limit that
// a machine without swap accounting has to refuse.
func (l Limits) memorySwap(limit *int64) (*int64, error) {
	if l.MemorySwap == "" || l.MemorySwap == "0" {
		return nil, nil
	}
	if limit == nil {
		return nil, fmt.Errorf("--memory-swap %s needs --memory: it is the sum of memory and swap", l.MemorySwap)
	}
	if l.MemorySwap == "-1" {
		n := int64(-1)
		return &n, nil
	}
	n, err := units.RAMInBytes(l.MemorySwap)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("invalid size for --memory-swap: %q; give bytes, a number with k, m or g, or -1", l.MemorySwap)
	}
	if n < *limit {
		return nil, fmt.Errorf("--memory-swap %s is below --memory %s: it is the sum of memory and swap", l.MemorySwap, l.Memory)
	}
	return &n, nil
}

func (l Limits) cpu(r *specs.LinuxResources, cpus int) error {
	c := specs.LinuxCPU{}
	if l.CPUShares < 0 {
		return fmt.Errorf("--cpu-shares %d: give a positive number, 1024 being the usual weight", l.CPUShares)
	}
	if l.CPUShares > 0 {
		n := uint64(l.CPUShares)
		c.Shares = &n
	}
	var err error
	switch {
	case l.CPUs != "" && (l.CPUPeriod != 0 || l.CPUQuota != 0):
		err = fmt.Errorf("--cpus cannot go with --cpu-period and --cpu-quota: it sets both")
	case l.CPUs != "":
		err = l.setCPUs(&c, cpus)
	default:
		err = l.setQuota(&c)
	}
	if err == nil && c != (specs.LinuxCPU{}) {
		r.CPU = &c
	}
	return err
}

func (l Limits) setCPUs(c *specs.LinuxCPU, cpus int) error {
	n, err := ParseCPUs(l.CPUs)
	if err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	if n < 0.01 || n > float64(cpus) {
		return fmt.Errorf("--cpus %s: range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", l.CPUs, cpus, cpus)
	}
	period, quota := uint64(cpuPeriod), int64(math.Round(n*cpuPeriod))
	c.Period, c.Quota = &period, &quota
	return nil
}

// ParseCPUs reads the decimal number of --cpus; 0 is no limit.
func ParseCPUs(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("--cpus %q: give a number of processors, such as 1.5", s)
	}
	return n, nil
}

func (l Limits) setQuota(c *specs.LinuxCPU) error {
	if p := l.CPUPeriod; p != 0 {
		if p < minCPUPeriod || p > maxCPUPeriod {
			return fmt.Errorf("--cpu-period %d: must be between 1000 and 1000000 microseconds", p)
		}
		period := uint64(p)
		c.Period = &period
	}
	if q := l.CPUQuota; q != 0 {
		if q != -1 && q < minCPUQuota {
			return fmt.Errorf("--cpu-quota %d: must be at least 1000 microseconds, or -1", q)
		}
		c.Quota = &q
	}
	return nil
}

func (l Limits) cpuset(r *specs.LinuxResources, cpus int) error {
	if l.CPUSetCPUs == "" && l.CPUSetMems == "" {
		return nil
	}
	highest, err := parseCPUSet(l.CPUSetCPUs)
	if err != nil {
		return fmt.Errorf("--cpuset-cpus %w", err)
	}
	if highest >= cpus {
		return fmt.Errorf("--cpuset-cpus %s: processor %d is not available; there are 0-%d", l.CPUSetCPUs, highest, cpus-1)
	}
	if _, err := parseCPUSet(l.CPUSetMems); err != nil {
		return fmt.Errorf("--cpuset-mems %w", err)
	}
	if r.CPU == nil {
		r.CPU = &specs.LinuxCPU{}
	}
	r.CPU.Cpus, r.CPU.Mems = l.CPUSetCPUs, l.CPUSetMems
	return nil
}

// parseCPUSet checks a list such as 0-3,5 and gives its highest number, -1 for "".
func parseCPUSet(s string) (highest int, err error) {
	highest = -1
	if s == "" {
		return highest, nil
	}
	for _, part := range strings.Split(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 16)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || to < from {
			return -1, fmt.Errorf("%q: write numbers and ranges, such as 0-3,5", s)
		}
		highest = max(highest, int(to))
	}
	return highest, nil
}

func (l Limits) pids(r *specs.LinuxResources, _ int) error {
	if l.PidsLimit == nil {
		return nil
	}
	n := *l.PidsLimit
	if n < -1 {
		return fmt.Errorf("--pids-limit %d: give a number of processes, or -1 for no limit", n)
	}
	if n == 0 {
		n = -1
	}
	r.Pids = &specs.LinuxPids{Limit: &n}
	return nil
}
