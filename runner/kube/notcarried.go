package kube

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
)

// notCarried names what Kubernetes has no word for, or leaves to the cluster.
func (g *generator) notCarried(v runner.View) {
	for _, f := range flagsOf(v) {
		g.note(v, "%s %s", f.flag, f.value)
	}
	o, facts := v.Options, factsOf(v)
	if o.Limits.PidsLimit != nil {
		g.note(v, "--pids-limit is the node's to set")
	}
	if facts.Init {
		g.note(v, "--init: use shareProcessNamespace or an init of the image's own")
	}
	if facts.Systemd {
		g.note(v, "it is prepared for an init system here (--systemd), and not there")
	}
	if o.Entrypoint != nil && *o.Entrypoint == "" {
		g.note(v, "--entrypoint \"\": Kubernetes cannot drop the image's entrypoint")
	}
	if usual, err := logs.ParseOptions(v.Log.Driver, nil); err == nil && !reflect.DeepEqual(v.Log, usual) {
		g.note(v, "--log-opt: logs are kept as the cluster's nodes do")
	}
	switch facts.Network {
	case "bridge", "host":
	default:
		if facts.Join[specs.NetworkNamespace] == "" {
			g.note(v, "--network %s: pods have the cluster's", facts.Network)
		}
	}
}

// typed is a flag as a person gave it.
type typed struct{ flag, value string }

// flagsOf are the flags that have no counterpart, each with its value.
func flagsOf(v runner.View) (flags []typed) {
	o, l := v.Options, v.Options.Limits
	add := func(flag string, values ...string) {
		for _, value := range values {
			if value != "" {
				flags = append(flags, typed{flag, value})
			}
		}
	}
	add("--device", o.Devices...)
	add("--gpus", o.GPUs...)
	add("--ulimit", o.Ulimits...)
	add("--group-add", o.GroupAdd...)
	add("--add-host", o.AddHosts...)
	add("--dns", o.DNS...)
	add("--dns-option", o.DNSOptions...)
	add("--dns-search", o.DNSSearch...)
	add("--egress", o.Egress...)
	add("--annotation", o.Annotations...)
	add("--blkio-weight", number(int(l.BlkioWeight)))
	add("--blkio-weight-device", l.BlkioWeightDevice...)
	add("--device-read-bps", l.DeviceReadBps...)
	add("--device-write-bps", l.DeviceWriteBps...)
	add("--device-read-iops", l.DeviceReadIOps...)
	add("--device-write-iops", l.DeviceWriteIOps...)
	add("--cpu-shares", number(int(l.CPUShares)))
	add("--cpuset-cpus", l.CPUSetCPUs)
	add("--cpuset-mems", l.CPUSetMems)
	add("--memory-swap", l.MemorySwap)
	add("--cgroup-parent", o.CgroupParent)
	add("--stop-signal", o.StopSignal)
	add("--timeout", number(o.Timeout))
	add("--sdnotify", o.SDNotify)
	add("--userns", o.UserNS)
	add("--domainname", o.Domainname)
	add("--shm-size", o.ShmSize)
	add("--uts", unless(o.UTS, "private"))
	add("--cgroupns", unless(o.CgroupNS, "private"))
	add("--pid", unless(o.PID, "private", "host"))
	add("--ipc", unless(o.IPC, "private", "host"))
	add("--health-start-interval", o.Health.StartInterval)
	add("--health-on-failure", unless(o.Health.OnFailure, spec.OnFailureNone, spec.OnFailureRestart))
	add("--log-driver", unless(v.Log.Driver, logs.JSONFile))
	if o.OOMScoreAdj != nil {
		add("--oom-score-adj", fmt.Sprint(*o.OOMScoreAdj))
	}
	if o.StopTimeout != nil && *o.StopTimeout < 0 {
		add("--stop-timeout", fmt.Sprint(*o.StopTimeout))
	}
	return flags
}

// number is "" for a flag that was not given.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// unless leaves out values that need no word.
func unless(value string, usual ...string) string {
	if slices.Contains(usual, value) {
		return ""
	}
	return value
}

// compare notes what a further container has otherwise than the first, where a
// pod has it once.
func (g *generator) compare(first, v runner.View) {
	a, b := factsOf(first), factsOf(v)
	one := func(flag string, same bool) {
		if !same {
			g.note(v, "%s is that of %s, as the containers of a pod have one", flag, first.Name)
		}
	}
	one("--restart", a.Restart.Name == b.Restart.Name)
	one("--network", a.Network == b.Network || b.Join[specs.NetworkNamespace] == first.ID)
	one("--pid", (first.Options.PID == "host") == (v.Options.PID == "host"))
	one("--ipc", (first.Options.IPC == "host") == (v.Options.IPC == "host"))
	one("--stop-timeout", a.StopTimeout == b.StopTimeout)
	one("--hostname", v.Options.Hostname == "" || v.Options.Hostname == first.Options.Hostname)
	one("--sysctl", strings.Join(first.Options.Sysctls, " ") == strings.Join(v.Options.Sysctls, " "))
}
