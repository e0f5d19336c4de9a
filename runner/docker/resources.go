package docker

import (
	"math"
	"slices"
	"strings"

	units "github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

// Resources are the limits. Sizes are bytes, times microseconds, 0 means none.
type Resources struct {
	CPUShares            uint64 `json:"CpuShares"`
	Memory               int64
	NanoCPUs             int64 `json:"NanoCpus"` // billionths of a processor
	CgroupParent         string
	BlkioWeight          uint16
	BlkioWeightDevice    []WeightDevice
	BlkioDeviceReadBps   []ThrottleDevice
	BlkioDeviceWriteBps  []ThrottleDevice
	BlkioDeviceReadIOps  []ThrottleDevice
	BlkioDeviceWriteIOps []ThrottleDevice
	CPUPeriod            uint64 `json:"CpuPeriod"`
	CPUQuota             int64  `json:"CpuQuota"`
	CPURealtimePeriod    int64  `json:"CpuRealtimePeriod"`
	CPURealtimeRuntime   int64  `json:"CpuRealtimeRuntime"`
	CpusetCpus           string
	CpusetMems           string
	Devices              []Device
	DeviceCgroupRules    []string
	DeviceRequests       []DeviceRequest
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     *int64
	OomKillDisable       *bool
	PidsLimit            *int64
	Ulimits              []Ulimit
	CPUCount             int64 `json:"CpuCount"`
	CPUPercent           int64 `json:"CpuPercent"`
	IOMaximumIOps        uint64
	IOMaximumBandwidth   uint64
}

// WeightDevice is a disk's share.
type WeightDevice struct {
	Path   string
	Weight uint16
}

// ThrottleDevice is a disk's limit for each second, in bytes or operations.
type ThrottleDevice struct {
	Path string
	Rate uint64
}

// Device is a device of the host in the container.
type Device struct {
	PathOnHost        string
	PathInContainer   string
	CgroupPermissions string
}

// DeviceRequest is devices that somebody else describes: those of --gpus, and
// with the driver "cdi" those that --device names.
type DeviceRequest struct {
	Driver       string
	Count        int
	DeviceIDs    []string
	Capabilities [][]string
	Options      map[string]string
}

// Ulimit is a limit of each process; -1 is none.
type Ulimit struct {
	Name       string
	Hard, Soft int64
}

func newResources(v runner.View) Resources {
	limits := v.Options.Limits
	r := Resources{
		CgroupParent: v.Options.CgroupParent, CpusetCpus: limits.CPUSetCPUs, CpusetMems: limits.CPUSetMems,
		BlkioWeight: limits.BlkioWeight, PidsLimit: limits.PidsLimit, Devices: devices(v.Options.Devices),
		DeviceRequests: deviceRequests(v.Options),
		Ulimits:        ulimits(v.Options.Ulimits),
	}
	for _, word := range limits.BlkioWeightDevice {
		path, weight := cutLast(word)
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, WeightDevice{path, uint16(rate(weight))})
	}
	for _, t := range []struct {
		words []string
		list  *[]ThrottleDevice
	}{
		{limits.DeviceReadBps, &r.BlkioDeviceReadBps}, {limits.DeviceWriteBps, &r.BlkioDeviceWriteBps},
		{limits.DeviceReadIOps, &r.BlkioDeviceReadIOps}, {limits.DeviceWriteIOps, &r.BlkioDeviceWriteIOps},
	} {
		for _, word := range t.words {
			path, value := cutLast(word)
			*t.list = append(*t.list, ThrottleDevice{path, rate(value)})
		}
	}
	if done := v.Spec.Linux.Resources; done != nil {
		r.setMemory(done.Memory)
		r.setCPU(done.CPU, limits.CPUs)
	}
	return r
}

func (r *Resources) setMemory(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	for _, x := range []struct {
		from *int64
		to   *int64
	}{{m.Limit, &r.Memory}, {m.Swap, &r.MemorySwap}, {m.Reservation, &r.MemoryReservation}} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
}

// setCPU: --cpus, which is a period and a quota, is shown as NanoCpus alone.
func (r *Resources) setCPU(c *specs.LinuxCPU, cpus string) {
	if c == nil {
		return
	}
	if c.Shares != nil {
		r.CPUShares = *c.Shares
	}
	if n, err := spec.ParseCPUs(cpus); err == nil && n > 0 {
		r.NanoCPUs = int64(math.Round(n * 1e9))
		return
	}
	if c.Period != nil {
		r.CPUPeriod = *c.Period
	}
	if c.Quota != nil {
		r.CPUQuota = *c.Quota
	}
}

// cutLast splits DEVICE:VALUE.
func cutLast(word string) (device, value string) {
	i := max(strings.LastIndexByte(word, ':'), 0)
	return word[:i], strings.TrimPrefix(word[i:], ":")
}

// rate reads a number with an optional unit; it was checked before.
func rate(value string) uint64 {
	n, _ := units.RAMInBytes(value)
	return uint64(max(n, 0))
}

func devices(words []string) []Device {
	list := []Device{}
	for _, word := range words {
		if spec.IsCDIName(word) {
			continue
		}
		d := Device{CgroupPermissions: "rwm"}
		if parts := strings.Split(word, ":"); len(parts) > 1 && strings.Trim(parts[len(parts)-1], "rwm") == "" {
			d.CgroupPermissions = parts[len(parts)-1]
		}
		d.PathOnHost, d.PathInContainer, _ = spec.ParseDevice(word) // read before without an error
		list = append(list, d)
	}
	return list
}

func deviceRequests(o spec.Options) []DeviceRequest {
	var list []DeviceRequest
	if names := slices.DeleteFunc(slices.Clone(o.Devices), func(d string) bool { return !spec.IsCDIName(d) }); len(names) > 0 {
		list = append(list, DeviceRequest{Driver: "cdi", DeviceIDs: names})
	}
	for _, word := range o.GPUs {
		r, _ := spec.ParseGPUs(word) // read before without an error
		list = append(list, DeviceRequest{r.Driver, r.Count, r.DeviceIDs, [][]string{r.Capabilities}, map[string]string{}})
	}
	return list
}

// ulimits are those of --ulimit, the last of each name.
func ulimits(words []string) []Ulimit {
	list := []Ulimit{}
	for _, word := range words {
		limit, err := spec.ParseUlimit(word)
		if err != nil {
			continue
		}
		// The kernel's "no limit" is all ones: -1.
		u := Ulimit{strings.ToLower(strings.TrimPrefix(limit.Type, "RLIMIT_")), int64(limit.Hard), int64(limit.Soft)}
		list = append(slices.DeleteFunc(list, func(x Ulimit) bool { return x.Name == u.Name }), u)
	}
	return list
}
