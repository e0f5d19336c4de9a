package cgroup2

import (
	"fmt"
	"strings"

	units "github.com/docker/go-units"
)

// WatchNotice is the one line for stderr when Watch enforces --memory.
func WatchNotice(limit int64) string {
	return fmt.Sprintf("there is no memory controller to use: rl itself watches the limit of %s "+
		"and kills above it ('rl check' tells how to get the kernel's)", size(limit))
}

// InitNotice is the one line for stderr when an init system gets no group of its own.
const InitNotice = "no control group is delegated here: systemd ends at once without one, or starts no services; to change that: rl check"

// WatchedBy and KernelBy say in inspect who enforces the memory limit.
const (
	WatchedBy = "rl (sampled proportional set size)"
	KernelBy  = "kernel (memory controller)"
)

// OOMText is what ps adds to the status of a container that an OOM kill ended.
func OOMText(limit int64) string { return "OOM killed at " + size(limit) }

func size(bytes int64) string {
	return units.CustomSize("%.4g %s", float64(bytes), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
}

// Finding is one line of rl check about control groups.
type Finding struct {
	Name   string // "cgroup v2", or a controller
	OK     bool
	Detail string // what was found
	Cost   string // what does not work, "" if OK
}

// costs are the flags that need each controller.
var costs = []struct{ controller, cost string }{
	{"memory", "--memory is watched by rl itself; --memory-swap and --memory-reservation are refused"},
	{"pids", "--pids-limit is refused"},
	{"cpu", "--cpus, --cpu-quota and --cpu-shares are refused"},
	{"cpuset", "--cpuset-cpus and --cpuset-mems are refused"},
	{"io", "--blkio-weight and --device-*-bps/iops are refused"},
}

// Findings describes the machine for rl check.
func (i Info) Findings() []Finding {
	list := []Finding{i.groups()}
	for _, c := range costs {
		f := Finding{Name: c.controller + " controller", OK: i.Groups() && i.Has(c.controller), Detail: "delegated"}
		if !f.OK {
			f.Detail, f.Cost = "not delegated", c.cost
		}
		list = append(list, f)
	}
	return list
}

// groups says where a container's group would go.
func (i Info) groups() Finding {
	f := Finding{Name: "control groups", OK: i.Groups(), Detail: i.Mode.String()}
	switch {
	case i.Delegated != "":
		f.Detail += ", below " + strings.TrimPrefix(i.Delegated, Root)
	case f.OK:
		f.Detail += ", scopes from the user's systemd"
	default:
		f.Cost = "no limits but --memory; pause stops processes one by one, stats counts what /proc tells"
		if i.SystemdError != nil && i.Mode == Unified {
			f.Detail += ", nothing delegated and " + oneLine(strings.ReplaceAll(i.SystemdError.Error(), "\n", "; "))
		}
	}
	return f
}

// Script is what an administrator can run to make every controller available to
// all users, "" where nothing is missing or a script cannot help.
func (i Info) Script() string {
	if i.Mode != Unified {
		return "# boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line for cgroup v2\n"
	}
	missing := !i.Groups()
	for _, c := range costs {
		missing = missing || !i.Has(c.controller)
	}
	if !missing || !i.Systemd {
		return ""
	}
	dir := dropIn[:strings.LastIndex(dropIn, "/")]
	return fmt.Sprintf("mkdir -p %s\ncat > %s <<'END'\n%sEND\nsystemctl daemon-reload\n", dir, dropIn, dropInText)
}
