package cgroup2

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

func device(major, minor int64) specs.LinuxBlockIODevice {
	return specs.LinuxBlockIODevice{Major: major, Minor: minor}
}

func TestSettings(t *testing.T) {
	const mib = 1 << 20
	weight := specs.LinuxWeightDevice{Weight: ptr(uint16(500))}
	weight.LinuxBlockIODevice = device(8, 0)
	throttle := specs.LinuxThrottleDevice{Rate: 4096}
	throttle.LinuxBlockIODevice = device(8, 16)
	for name, c := range map[string]struct {
		r    *specs.LinuxResources
		want []string
	}{
		"nothing":               {nil, nil},
		"memory alone":          {memory(20*mib, 0), []string{"memory.max=20971520", "memory.swap.max=20971520"}},
		"no swap":               {memory(20*mib, 20*mib), []string{"memory.max=20971520", "memory.swap.max=0"}},
		"total":                 {memory(20*mib, 50*mib), []string{"memory.max=20971520", "memory.swap.max=31457280"}},
		"unlimited swap":        {memory(20*mib, -1), []string{"memory.max=20971520", "memory.swap.max=max"}},
		"unlimited memory":      {memory(-1, 0), []string{"memory.max=max", "memory.swap.max=max"}},
		"reservation":           {&specs.LinuxResources{Memory: &specs.LinuxMemory{Reservation: ptr(int64(mib))}}, []string{"memory.low=1048576"}},
		"half a core":           {cpu(0, 50000, 100000), []string{"cpu.max=50000 100000"}},
		"quota without period":  {cpu(0, 20000, 0), []string{"cpu.max=20000 100000"}},
		"no quota any more":     {cpu(0, -1, 100000), []string{"cpu.max=max 100000"}},
		"shares":                {cpu(1024, 0, 0), []string{"cpu.weight=100"}},
		"cpuset":                {&specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0-1", Mems: "0"}}, []string{"cpuset.cpus=0-1", "cpuset.mems=0"}},
		"pids":                  {pids(100), []string{"pids.max=100"}},
		"pids unlimited":        {pids(-1), []string{"pids.max=max"}},
		"pids zero is unset":    {pids(0), nil},
		"io weight":             {&specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(300))}}, []string{"io.bfq.weight=300"}},
		"io weight of a device": {&specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{weight}}}, []string{"io.bfq.weight=8:0 500"}},
		"bytes and orders a second": {&specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
			ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttle}, ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{throttle},
		}}, []string{"io.max=8:16 rbps=4096", "io.max=8:16 wiops=4096"}},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := settings(c.r)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				got = append(got, s.file+"="+s.value)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func memory(limit, swap int64) *specs.LinuxResources {
	m := &specs.LinuxMemory{Limit: &limit}
	if swap != 0 {
		m.Swap = &swap
	}
	return &specs.LinuxResources{Memory: m}
}

func cpu(shares uint64, quota int64, period uint64) *specs.LinuxResources {
	return &specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: &shares, Quota: &quota, Period: &period}}
}

func pids(limit int64) *specs.LinuxResources {
	return &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
}

func TestImpossibleLimitsAreRefused(t *testing.T) {
	for name, r := range map[string]*specs.LinuxResources{
		"swap below memory":   memory(20, 10),
		"swap without memory": {Memory: &specs.LinuxMemory{Swap: ptr(int64(1 << 20))}},
		"swappiness":          {Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(10))}},
		"no OOM killer":       {Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}},
		"realtime":            {CPU: &specs.LinuxCPU{RealtimeRuntime: ptr(int64(1))}},
		"unified":             {Unified: map[string]string{"memory.high": "1"}},
	} {
		if unsupported(r) == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestCPUWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{
		0: 0, 1: 1, 2: 1, 10: 4, 100: 17, 512: 59, 1024: 100, 2048: 174, 262144: 10000, math.MaxUint64: 10000,
	} {
		if got := cpuWeightOf(shares); got != want {
			t.Errorf("cpuWeightOf(%d) = %d, want %d", shares, got, want)
		}
	}
}

func TestIOWeight(t *testing.T) {
	for weight, want := range map[uint16]uint64{0: 0, 10: 1, 500: 4950, 1000: 10000} {
		if got := ioWeightOf(weight); got != want {
			t.Errorf("ioWeightOf(%d) = %d, want %d", weight, got, want)
		}
	}
	for given, want := range map[string]string{"500": "default 4950", "8:0 1000": "8:0 10000"} {
		if got := toIOWeight(given); got != want {
			t.Errorf("toIOWeight(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestRefusal(t *testing.T) {
	r := memory(20<<20, 0)
	r.CPU = &specs.LinuxCPU{Quota: ptr(int64(50000)), Cpus: "0"}
	err := refuse(machine{Mode: Unified, uid: 1000}, nil, r, nil)
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	if want := []string{"cpu", "cpuset", "memory"}; !slices.Equal(missing.Controllers(), want) {
		t.Errorf("controllers %q, want %q", missing.Controllers(), want)
	}
	for _, part := range []string{"--memory, --cpus, --cpuset-cpus", "controllers cpu, cpuset, memory", dropIn, "Delegate=cpu cpuset io memory pids"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than a line", err)
	}
}

func TestRefusalWithoutSystemd(t *testing.T) {
	err := refuse(machine{Mode: Unified, uid: 1000}, nil, pids(5), fmt.Errorf("%w: no socket", ErrNoSystemd))
	if !errors.Is(err, ErrNoSystemd) || !strings.Contains(err.Error(), "loginctl enable-linger") {
		t.Errorf("%q does not say how to start it", err)
	}
}

func TestMemoryAloneIsWatched(t *testing.T) {
	for name, c := range map[string]struct {
		r       *specs.LinuxResources
		refused bool
		watched int64
	}{
		"memory":                    {memory(20<<20, 0), false, 20 << 20},
		"memory and unlimited swap": {memory(20<<20, -1), false, 20 << 20},
		"memory and swap":           {memory(20<<20, 30<<20), true, 20 << 20},
		"pids":                      {pids(5), true, 0},
		"nothing":                   {nil, false, 0},
		"unlimited":                 {memory(-1, 0), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if err := refuse(machine{Mode: Hybrid}, nil, c.r, nil); (err != nil) != c.refused {
				t.Errorf("refused: %v", err)
			}
			if got := WatchLimit(nil, c.r); got != c.watched {
				t.Errorf("watched %d, want %d", got, c.watched)
			}
		})
	}
}
