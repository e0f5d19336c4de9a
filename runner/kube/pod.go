package kube

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/runner/spec"
)

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func factsOf(v runner.View) spec.Facts {
	facts, _ := spec.FactsOf(v.Spec) // written by Build: there is no error
	return facts
}

// podOf takes what belongs to the pod as a whole from its first container.
func (g *generator) podOf(v runner.View) {
	o, facts := v.Options, factsOf(v)
	g.pod.add("hostname", label(o.Hostname))
	g.pod.add("hostNetwork", facts.Network == "host")
	g.pod.add("hostPID", o.PID == "host")
	g.pod.add("hostIPC", o.IPC == "host")
	g.restart(v, facts.Restart)
	if t := o.StopTimeout; t != nil && *t >= 0 {
		g.pod.add("terminationGracePeriodSeconds", *t)
	}
	var sysctls []object
	for _, key := range sorted(v.Spec.Linux.Sysctl) {
		if slices.ContainsFunc(o.Sysctls, func(s string) bool { return strings.HasPrefix(s, key+"=") }) {
			sysctls = append(sysctls, object{{"name", key}, {"value", v.Spec.Linux.Sysctl[key]}})
		}
	}
	var security object
	security.add("sysctls", sysctls)
	g.pod.add("securityContext", security)
}

func (g *generator) restart(v runner.View, p spec.RestartPolicy) {
	word := map[string]string{"always": "Always", "unless-stopped": "Always", "on-failure": "OnFailure"}[p.Name]
	if g.Deployment {
		if word != "Always" {
			g.note(v, "a Deployment always starts its containers again; --restart %s is that of a Pod", cmp.Or(p.Name, "no"))
		}
		return
	}
	if p.MaxRetries > 0 {
		g.note(v, "--restart %s: Kubernetes does not count the tries", p)
	}
	g.pod.add("restartPolicy", cmp.Or(word, "Never"))
}

// compare notes what a further container has otherwise than the first, where a
// pod has it once.
func (g *generator) compare(first, v runner.View) {
	a, b := factsOf(first), factsOf(v)
	if a.Restart.Name != b.Restart.Name {
		g.note(v, "--restart is that of %s, as the containers of a pod have one", first.Name)
	}
	if a.Network != b.Network && b.Join[specs.NetworkNamespace] != first.ID {
		g.note(v, "--network is that of %s, as the containers of a pod have one", first.Name)
	}
}

// container describes one container.
func (g *generator) container(v runner.View) object {
	o := v.Options
	c := object{{"name", label(v.Name)}, {"image", g.ImageName(v.Image)}}
	if o.Entrypoint != nil && *o.Entrypoint != "" {
		c.add("command", []string{*o.Entrypoint})
	}
	c.add("args", o.Args)
	c.add("workingDir", o.Workdir)
	c.add("stdin", v.OpenStdin)
	c.add("tty", o.TTY)
	c.add("env", environment(v))
	c.add("ports", g.portsOf(v))
	c.add("resources", resources(v))
	c.add("securityContext", g.security(v))
	c.add("livenessProbe", probe(factsOf(v).Health))
	c.add("volumeMounts", g.mounts(v))
	g.notCarried(v)
	return c
}

// environment is what the person set, not what the image says anyway.
func environment(v runner.View) []object {
	var list []object
	for _, e := range docker.Environment(v) {
		name, value, _ := strings.Cut(e, "=")
		if !slices.Contains(v.RootFS.Config.Env, e) {
			list = append(list, object{{"name", name}, {"value", value}})
		}
	}
	return list
}

func (g *generator) portsOf(v runner.View) []object {
	var list []object
	for _, p := range v.Ports {
		protocol := strings.ToUpper(p.Protocol)
		o := object{{"containerPort", int(p.Container)}}
		if !g.Service {
			o.add("hostPort", int(p.Host))
		}
		o.add("protocol", protocol)
		list = append(list, o)
		port := cmp.Or(int(p.Host), int(p.Container))
		g.ports = append(g.ports, object{{"name", fmt.Sprintf("p%d-%s", port, p.Protocol)}, {"port", port},
			{"targetPort", int(p.Container)}, {"protocol", protocol}})
	}
	return list
}

func resources(v runner.View) object {
	r := v.Spec.Linux.Resources
	if r == nil {
		return nil
	}
	var limits, requests, all object
	if c := r.CPU; c != nil && c.Quota != nil && *c.Quota > 0 && c.Period != nil && *c.Period > 0 {
		limits.add("cpu", strconv.FormatInt(int64(math.Ceil(float64(*c.Quota)*1000/float64(*c.Period))), 10)+"m")
	}
	if m := r.Memory; m != nil {
		if m.Limit != nil && *m.Limit > 0 {
			limits.add("memory", strconv.FormatInt(*m.Limit, 10))
		}
		if m.Reservation != nil && *m.Reservation > 0 {
			requests.add("memory", strconv.FormatInt(*m.Reservation, 10))
		}
	}
	all.add("limits", limits)
	all.add("requests", requests)
	return all
}

func (g *generator) security(v runner.View) object {
	var s, caps object
	o := v.Options
	s.add("privileged", o.Privileged)
	caps.add("add", capabilities(o.CapAdd))
	caps.add("drop", capabilities(o.CapDrop))
	s.add("capabilities", caps)
	s.add("readOnlyRootFilesystem", o.ReadOnly)
	if v.Spec.Process.NoNewPrivileges {
		s = append(s, field{"allowPrivilegeEscalation", false})
	}
	if o.User != "" {
		s = append(s, field{"runAsUser", int64(v.Spec.Process.User.UID)}, field{"runAsGroup", int64(v.Spec.Process.User.GID)})
	}
	for _, word := range o.SecurityOpt {
		if word == "seccomp=unconfined" {
			s.add("seccompProfile", object{{"type", "Unconfined"}})
		} else if !strings.HasPrefix(word, "no-new-privileges") {
			g.note(v, "--security-opt %s", word)
		}
	}
	return s
}

// capabilities are named without CAP_ there.
func capabilities(names []string) []string {
	var list []string
	for _, name := range names {
		list = append(list, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	return list
}

func probe(h *spec.Health) object {
	if h == nil {
		return nil
	}
	seconds := func(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }
	p := object{{"exec", object{{"command", h.Args}}}, {"periodSeconds", seconds(h.Interval)},
		{"timeoutSeconds", seconds(h.Timeout)}, {"failureThreshold", h.Retries}}
	if h.StartPeriod > 0 {
		p.add("initialDelaySeconds", seconds(h.StartPeriod))
	}
	return p
}

// notCarried names what Kubernetes has no word for.
func (g *generator) notCarried(v runner.View) {
	o, facts := v.Options, factsOf(v)
	lists := []struct {
		flag  string
		words []string
	}{
		{"--device", o.Devices}, {"--ulimit", o.Ulimits}, {"--blkio-weight-device", o.Limits.BlkioWeightDevice},
		{"--device-read-bps", o.Limits.DeviceReadBps}, {"--device-write-bps", o.Limits.DeviceWriteBps},
		{"--device-read-iops", o.Limits.DeviceReadIOps}, {"--device-write-iops", o.Limits.DeviceWriteIOps},
	}
	for _, l := range lists {
		for _, word := range l.words {
			g.note(v, "%s %s", l.flag, word)
		}
	}
	words := []struct{ flag, word string }{
		{"--cpuset-cpus", o.Limits.CPUSetCPUs}, {"--cpuset-mems", o.Limits.CPUSetMems}, {"--stop-signal", o.StopSignal},
		{"--userns", o.UserNS}, {"--domainname", o.Domainname}, {"--memory-swap", o.Limits.MemorySwap},
	}
	for _, w := range words {
		if w.word != "" {
			g.note(v, "%s %s", w.flag, w.word)
		}
	}
	if o.Limits.PidsLimit != nil {
		g.note(v, "--pids-limit is the node's to set")
	}
	if facts.Init {
		g.note(v, "--init: use shareProcessNamespace or an init of the image's own")
	}
	if o.Entrypoint != nil && *o.Entrypoint == "" {
		g.note(v, "--entrypoint \"\": Kubernetes cannot drop the image's entrypoint")
	}
	switch facts.Network {
	case "bridge", "host":
	default:
		if facts.Join[specs.NetworkNamespace] == "" {
			g.note(v, "--network %s: pods have the cluster's", facts.Network)
		}
	}
}
