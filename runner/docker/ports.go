package docker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
)

// PortBinding is where on the host a port of a container is published.
type PortBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

// Published are the ports of a container that the host listens on now, in the
// order in which they are shown.
func Published(v runner.View) []slirp.PortMapping {
	var list []slirp.PortMapping
	for _, a := range Attachments(v) {
		list = append(list, a.Ports...)
	}
	slices.SortFunc(list, slirp.ComparePorts)
	return list
}

// bindings arranges ports as inspect shows them: "80/tcp" to host addresses.
func bindings(list []slirp.PortMapping) map[string][]PortBinding {
	all := make(map[string][]PortBinding)
	for _, p := range list {
		key := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		all[key] = append(all[key], PortBinding{hostIP(p), hostPort(p)})
	}
	return all
}

func hostIP(p slirp.PortMapping) string {
	if p.HostIP.IsValid() {
		return p.HostIP.String()
	}
	return "0.0.0.0"
}

// hostPort is empty for a port that was left to chance.
func hostPort(p slirp.PortMapping) string {
	switch {
	case p.Host == 0:
		return ""
	case p.HostEnd != 0:
		return fmt.Sprintf("%d-%d", p.Host, p.HostEnd)
	}
	return strconv.Itoa(int(p.Host))
}

// ports is the PORTS column: published ports with neighbours put together, as
// in 0.0.0.0:8000-8003->80-83/tcp, then those that the image only exposes.
func ports(v runner.View) string {
	if len(Attachments(v)) == 0 {
		return ""
	}
	var words []string
	list := Published(v)
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && follows(list[i+n], list[i+n-1]) {
			n++
		}
		words = append(words, portRange(list[i], list[i+n-1]))
		i += n
	}
	return strings.Join(append(words, unpublished(v)...), ", ")
}

// unpublished are the ports that the image exposes and nobody published.
func unpublished(v runner.View) []string {
	known := bindings(Published(v))
	var list []string
	for port := range v.Config.ExposedPorts {
		if port = withProtocol(port); known[port] == nil {
			list = append(list, port)
		}
	}
	slices.Sort(list)
	return list
}

func withProtocol(port string) string {
	if strings.Contains(port, "/") {
		return port
	}
	return port + "/tcp"
}

// follows reports whether b, after a, continues a range.
func follows(b, a slirp.PortMapping) bool {
	return b.HostIP == a.HostIP && b.Protocol == a.Protocol && b.Host == a.Host+1 && b.Container == a.Container+1
}

func portRange(first, last slirp.PortMapping) string {
	if first == last {
		return first.String()
	}
	ip := hostIP(first)
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return fmt.Sprintf("%s:%d-%d->%d-%d/%s", ip, first.Host, last.Host, first.Container, last.Container, first.Protocol)
}
