package kube

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
		g.pod = append(g.pod, field{"terminationGracePeriodSeconds", *t}) // 0 too
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

// container describes one container.
func (g *generator) container(v runner.View) object {
	o := v.Options
	name, _ := g.containers.give(v.ID, label(v.Name))
	c := object{{"name", name}, {"image", g.ImageName(v.Image)}}
	if o.Entrypoint != nil && *o.Entrypoint != "" {
		c.add("command", []string{literal(*o.Entrypoint)})
	}
	c.add("args", literals(o.Args))
	c.add("workingDir", o.Workdir)
	c.add("stdin", v.OpenStdin)
	c.add("tty", o.TTY)
	c.add("env", g.environment(v))
	c.add("ports", g.portsOf(v))
	c.add("resources", resources(v))
	c.add("securityContext", g.security(v))
	c.add("livenessProbe", probe(factsOf(v).Health))
	c.add("volumeMounts", g.mounts(v))
	g.notCarried(v)
	return c
}

// variable is what Kubernetes calls a variable.
var variable = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)

// environment is what the person set, not what the image says anyway.
func (g *generator) environment(v runner.View) []object {
	var list []object
	for _, e := range docker.Environment(v) {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case slices.Contains(v.RootFS.Config.Env, e):
		case name == "HOSTNAME" && v.Spec.Hostname == "" && !slices.Contains(v.Options.Env, e): // the host's
		case !variable.MatchString(name) || !utf8.ValidString(value):
			g.note(v, "the variable %q: its name or its value is none in Kubernetes", name)
		default:
			list = append(list, object{{"name", name}, {"value", literal(value)}})
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
		if ip := p.HostIP; ip.IsValid() && !ip.IsUnspecified() {
			if g.Service {
				g.note(v, "port %d is published on %s alone", p.Container, ip)
			} else {
				o.add("hostIP", ip.String())
			}
		}
		o.add("protocol", protocol)
		list = append(list, o)
		g.serve(v, cmp.Or(int(p.Host), int(p.Container)), int(p.Container), p.Protocol)
	}
	return list
}

// serve adds a port to the Service, which has each once.
func (g *generator) serve(v runner.View, port, target int, protocol string) {
	name := fmt.Sprintf("p%d-%s", port, protocol)
	if slices.ContainsFunc(g.ports, func(o object) bool { return o[0].value == name }) {
		if g.Service {
			g.note(v, "port %d/%s: the Service has one already", port, protocol)
		}
		return
	}
	g.ports = append(g.ports, object{{"name", name}, {"port", port}, {"targetPort", target}, {"protocol", strings.ToUpper(protocol)}})
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
	p := object{{"exec", object{{"command", literals(h.Args)}}}, {"periodSeconds", seconds(h.Interval)},
		{"timeoutSeconds", seconds(h.Timeout)}, {"failureThreshold", h.Retries}}
	if h.StartPeriod > 0 {
		p.add("initialDelaySeconds", seconds(h.StartPeriod))
	}
	return p
}
