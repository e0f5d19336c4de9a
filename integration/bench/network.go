package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rl-project/rl/integration"
)

// netStage is what the measurements of the network have beside the stage: the
// traffic program where users can run it, and a server on the host.
type netStage struct {
	*stage
	program string
	host    string // address and port of the server on the host
	// where servers in containers are published, of rl and of podman
	rlServer, podmanServer string
}

const (
	// networkMTU is that of every path that is compared.
	networkMTU     = "65520"
	trafficSeconds = "0.5"
	trafficPort    = "7000"
)

// server is the name of the containers that serve.
const server = "traffic"

// prepareNetwork starts the servers.
func (s *stage) prepareNetwork() (*netStage, error) {
	n := &netStage{stage: s, program: filepath.Join(s.rl.Dir, "traffic")}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.program, self, 0o755); err != nil {
		return nil, err
	}
	if err := errors.Join(s.rl.InstallPasta(), s.peers.InstallPasta()); err != nil {
		fmt.Fprintf(os.Stderr, "bench: with the distribution's pasta, if any: %v\n", err)
	}
	address := ownAddress()
	if address == "" {
		return nil, errors.New("this machine has no address beside loopback")
	}
	l, err := net.Listen("tcp4", address+":0")
	if err != nil {
		return nil, err
	}
	n.host = l.Addr().String()
	go serve(l)
	if n.rlServer, err = n.startServer(n.rl.Cmd); err != nil || !n.podman {
		return n, err
	}
	n.podmanServer, err = n.startServer(func(args ...string) *integration.Cmd { return n.peers.Tool("podman", args...) })
	return n, err
}

// startServer starts a container and returns where its port is published.
func (n *netStage) startServer(tool func(...string) *integration.Cmd) (string, error) {
	err := run(tool("run", "-d", "--name", server, "-p", trafficPort, "-v", n.program+":/traffic:ro",
		integration.Image, "/traffic", "traffic", "serve", ":"+trafficPort))
	if err != nil {
		return "", err
	}
	r, err := tool("port", server, trafficPort).Do()
	if err != nil || r.Code != 0 {
		return "", fmt.Errorf("%w: %s", err, r)
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(r.Out))
	return net.JoinHostPort("127.0.0.1", port), err
}

func ownAddress() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// path is one way that traffic may take. Measure gives what traffic prints.
type path struct {
	name    string
	measure func(kind string, streams int) ([]float64, error)
}

// comparison is the same traffic over several paths, ours first.
type comparison struct {
	title   string
	kind    string
	streams []int
	paths   []path
	unit    string
	scale   float64 // of a value, to print it in unit
	goals   []netGoal
}

// netGoal is what the first path wants to reach: at least (or, where less is
// better, at most) that much of a peer's value.
type netGoal struct {
	path, peer string
	ratio      float64
}

func (n *netStage) comparisons() []comparison {
	out := n.outwardPaths()
	in := []path{n.published("rl", n.rlServer)}
	if n.podman {
		in = append(in, n.published("podman (rootlesskit's builtin driver)", n.podmanServer))
	}
	podman := "podman (rootlesskit's builtin driver)"
	bridge := []path{n.between(), n.veth()}
	return []comparison{
		{"container to host", "send", []int{1, 8}, out, "Gbit/s", 1e-9,
			[]netGoal{{"rl, pasta", "pasta alone", 0.9}, {"rl, slirp4netns", "slirp4netns alone", 0.9}, {"rl, built in", "slirp4netns alone", 2}}},
		{"host to published port", "send", []int{1, 8}, in, "Gbit/s", 1e-9, []netGoal{{"rl", podman, 0.9}}},
		{"container to container", "send", []int{1, 8}, bridge, "Gbit/s", 1e-9, []netGoal{{"rl, one bridge", "a veth pair", 0.9}}},
		{"1 byte and back through a published port, 50 % and 99 % within", "latency", []int{1}, in, "µs", 1e-3, nil},
		{"connections through a published port", "connect", []int{1, 8}, in, "per second", 1, []netGoal{{"rl", podman, 1}}},
	}
}

// outwardPaths are those of the uplinks that are installed, within rl and alone.
func (n *netStage) outwardPaths() []path {
	paths := []path{n.inContainer("rl"), n.inContainer("rl, built in", "--network", "gvisor")}
	for _, r := range []integration.Requirement{integration.Program("pasta", "passt"), integration.Program("slirp4netns", "slirp4netns")} {
		if err := r.Check(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s: %v\n", r.Name, err)
			continue
		}
		paths = append(paths, n.inContainer("rl, "+r.Name, "--network", r.Name))
		script := pastaAlone
		if r.Name == "slirp4netns" {
			script = slirpAlone
		}
		paths = append(paths, path{r.Name + " alone", func(kind string, streams int) ([]float64, error) {
			return numbers(n.peers.Tool("sh", "-c", script, "sh", n.program, kind, n.host, strconv.Itoa(streams), trafficSeconds))
		}})
	}
	return paths
}

// The uplinks as rl runs them, but around a single process: $1 is the traffic
// program, the rest its arguments.
const (
	pastaAlone = `exec pasta --config-net --quiet --ipv4-only --mtu ` + networkMTU + ` --address 169.254.88.100 --netmask 24 \
	--gateway 169.254.88.2 --no-map-gw --tcp-ns none --udp-ns none --tcp-ports none --udp-ports none -- "$1" traffic "$2" "$3" "$4" "$5"`
	slirpAlone = `unshare -rn sh -c 'until ip route | grep -q default; do sleep 0.02; done; exec "$1" traffic "$2" "$3" "$4" "$5"' sh "$@" &
	ours=$(readlink /proc/self/ns/net)
	until theirs=$(readlink /proc/$!/ns/net) && [ "$theirs" != "$ours" ]; do sleep 0.02; done
	slirp4netns --configure --mtu ` + networkMTU + ` $! tap0 >/dev/null 2>&1 &
	slirp=$!
	wait %1; code=$?
	kill $slirp
	exit $code`
	vethAlone = `unshare -rn sh -c '
	unshare -n "$1" traffic serve :7000 &
	ours=$(readlink /proc/self/ns/net)
	until theirs=$(readlink /proc/$!/ns/net) && [ "$theirs" != "$ours" ]; do sleep 0.02; done
	ip link add name ours mtu ` + networkMTU + ` type veth peer name theirs netns $! && ip addr add 192.0.2.1/30 dev ours && ip link set ours up &&
	nsenter -n -t $! sh -c "ip addr add 192.0.2.2/30 dev theirs && ip link set theirs mtu ` + networkMTU + ` up" &&
	"$1" traffic "$2" 192.0.2.2:7000 "$3" "$4"; code=$?
	kill $!
	exit $code' sh "$@"`
)

// inContainer is the way from a container to the host.
func (n *netStage) inContainer(name string, flags ...string) path {
	return path{name, func(kind string, streams int) ([]float64, error) {
		args := append([]string{"run", "--rm", "-v", n.program + ":/traffic:ro"}, flags...)
		return numbers(n.rl.Cmd(append(args, integration.Image, "/traffic", "traffic", kind, n.host, strconv.Itoa(streams), trafficSeconds)...))
	}}
}

// published is the way from the host through a published port.
func (n *netStage) published(name, address string) path {
	return path{name, func(kind string, streams int) ([]float64, error) {
		return numbers(n.peers.Tool(n.program, "traffic", kind, address, strconv.Itoa(streams), trafficSeconds))
	}}
}

// between is the way from one container to another.
func (n *netStage) between() path {
	return path{"rl, one bridge", func(kind string, streams int) ([]float64, error) {
		r, err := n.rl.Cmd("inspect", "-f", "{{.NetworkSettings.IPAddress}}", server).Do()
		if err != nil || r.Code != 0 {
			return nil, fmt.Errorf("%w: %s", err, r)
		}
		address := strings.TrimSpace(r.Out) + ":" + trafficPort
		return numbers(n.rl.Cmd("run", "--rm", "-v", n.program+":/traffic:ro", integration.Image, "/traffic", "traffic", kind, address, strconv.Itoa(streams), trafficSeconds))
	}}
}

func (n *netStage) veth() path {
	return path{"a veth pair", func(kind string, streams int) ([]float64, error) {
		return numbers(n.peers.Tool("sh", "-c", vethAlone, "sh", n.program, kind, strconv.Itoa(streams), trafficSeconds))
	}}
}

// numbers runs a command that prints them, one on each line.
func numbers(c *integration.Cmd) ([]float64, error) {
	r, err := c.Do()
	if err == nil && r.Code != 0 {
		err = errors.New("it failed")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, r)
	}
	var all []float64
	for _, word := range strings.Fields(r.Out) {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, r)
		}
		all = append(all, v)
	}
	return all, nil
}

// networkRounds is how often each path is measured at most.
const networkRounds = 5

// measure goes over all paths in turn and returns what each gave, by path and
// number of streams. A path that does not work here has none.
func (c comparison) measure(runs int) map[string][][]float64 {
	results := map[string][][]float64{}
	for i, streams := range c.streams {
		for range min(runs, networkRounds) {
			for _, p := range rand.Perm(len(c.paths)) {
				name := c.paths[p].name
				if results[name] == nil {
					results[name] = make([][]float64, len(c.streams))
				}
				values, err := c.paths[p].measure(c.kind, streams)
				if err != nil {
					fmt.Fprintf(os.Stderr, "bench: without %s, which does not work here: %v\n", name, err)
					continue
				}
				results[name][i] = append(results[name][i], values...)
			}
		}
	}
	return results
}

// best takes every n-th value together: a measurement may give several. The
// best of them is that in which the rest of the machine was in the way least.
func (c comparison) best(values []float64, n int) (list []float64) {
	for i := range min(n, len(values)) {
		best := values[i]
		for j := i; j < len(values); j += n {
			if better := values[j] > best; better != (c.kind == "latency") {
				best = values[j]
			}
		}
		list = append(list, best)
	}
	return list
}

// addNetwork appends a table of all paths.
func (t *table) addNetwork(c comparison, results map[string][][]float64) {
	values, heads := 1, []string{}
	if c.kind == "latency" {
		values, heads = 2, []string{"50 %", "99 %"}
	} else {
		for _, n := range c.streams {
			heads = append(heads, fmt.Sprintf("%d stream(s)", n))
		}
	}
	flat := map[string][]float64{}
	for name, list := range results {
		for _, v := range list {
			flat[name] = append(flat[name], c.best(v, values)...)
		}
	}
	fmt.Fprintf(t, "\n| %s, %s, MTU %s, best of the rounds | %s | goal for rl |\n|---|%s---|\n", c.title, c.unit, networkMTU, strings.Join(heads, " | "), strings.Repeat("---:|", len(heads)))
	for _, p := range c.paths {
		fmt.Fprintf(t, "| %s |", p.name)
		for i := range heads {
			if i < len(flat[p.name]) {
				fmt.Fprintf(t, " %.4g |", flat[p.name][i]*c.scale)
			} else {
				t.WriteString(" does not work here |")
			}
		}
		fmt.Fprintf(t, " %s |\n", c.verdict(p.name, flat))
	}
}

func (c comparison) verdict(name string, flat map[string][]float64) string {
	for _, g := range c.goals {
		ours, theirs := flat[g.path], flat[g.peer]
		if g.path != name || len(ours) == 0 || len(ours) != len(theirs) {
			continue
		}
		var ratios []string
		word := "reached"
		for i := range ours {
			ratio := ours[i] / theirs[i]
			ratios = append(ratios, fmt.Sprintf("%.2f", ratio))
			if ratio < g.ratio {
				word = "**not reached**"
			}
		}
		return fmt.Sprintf("at least %.3g times %s: %s, %s", g.ratio, g.peer, word, strings.Join(ratios, " and "))
	}
	return ""
}
