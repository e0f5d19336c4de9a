package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rl-project/rl/integration"
)

const (
	benchNetwork = "bench"
	many         = 100 // containers on one network
	manyPorts    = "20000-20999"
	// mostForNetwork is what a user-defined network may add to `run`.
	mostForNetwork = 5 * time.Millisecond
	// mostNetworkMemory is what the network process may hold with all of that, in
	// megabytes.
	mostNetworkMemory = 16
)

// addStart compares `run` on a user-defined network that is up with `run`
// without any.
func (n *netStage) addStart(t *table, runs int) error {
	if err := run(n.rl.Cmd("network", "create", benchNetwork)); err != nil {
		return err
	}
	if err := run(n.rl.Cmd("run", "-d", "--network", benchNetwork, integration.Image, "sleep", "100000")); err != nil {
		return err
	}
	alone, on := n.rlRun("--network", "none"), n.rlRun("--network", benchNetwork)
	alone.name, on.name = "none", benchNetwork
	results, err := figure{contenders: []contender{alone, on}}.measure(runs)
	if err != nil {
		return err
	}
	without, with := quantile(results[alone.name], 0.5), quantile(results[on.name], 0.5)
	word := "reached"
	if with-without > mostForNetwork {
		word = "**not reached**"
	}
	fmt.Fprintf(t, "\n| run `true` | median | goal for rl |\n|---|---:|---|\n| no network | %s | |\n| a network of one's own that is up | %s | at most %s more: %s, %s |\n",
		ms(without), ms(with), ms(mostForNetwork), word, ms(with-without))
	return nil
}

// addCrowd has many containers on one network find each other, and a thousand
// ports published, and tells what the network process needs for it.
func (n *netStage) addCrowd(t *table) error {
	empty, err := n.networkProcess()
	if err != nil {
		return err
	}
	for i := range many {
		name := fmt.Sprintf("many%d", i)
		if err := run(n.rl.Cmd("run", "-d", "--name", name, "--network", benchNetwork, integration.Image, "sleep", "100000")); err != nil {
			return err
		}
	}
	took, err := n.resolveAll()
	if err != nil {
		return err
	}
	crowded, err := n.networkProcess()
	if err != nil {
		return err
	}
	if err := run(n.rl.Cmd("run", "-d", "-p", manyPorts+":"+manyPorts, integration.Image, "sleep", "100000")); err != nil {
		return err
	}
	published, err := n.networkProcess()
	if err != nil {
		return err
	}
	word := "reached"
	if published > mostNetworkMemory {
		word = "**not reached**"
	}
	fmt.Fprintf(t, "\n| the network process with | MB (PSS) | |\n|---|---:|---|\n| a few containers | %.1f | |\n"+
		"| %d containers on one network | %.1f | each name resolved from each of %d of them, in %s a name |\n"+
		"| and 1000 published ports | %.1f | at most %d MB: %s |\n",
		empty, many, crowded, askers, ms(took), published, mostNetworkMemory, word)
	return nil
}

// askers are as many containers as ask for all names.
const askers = 5

// resolveAll returns the time of one answer.
func (n *netStage) resolveAll() (time.Duration, error) {
	script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do nslookup many$i >/dev/null || echo many$i; i=$((i+1)); done`, many)
	begin := time.Now()
	for i := range askers {
		r, err := n.rl.Cmd("exec", fmt.Sprintf("many%d", i*many/askers), "sh", "-c", script).Do()
		if err == nil && (r.Code != 0 || strings.TrimSpace(r.Out) != "") {
			err = errors.New("not every name resolves")
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, r)
		}
	}
	return time.Since(begin) / (many * askers), nil
}

// networkProcess is the memory of rl's network process in megabytes, when it
// has come to rest.
func (n *netStage) networkProcess() (float64, error) {
	time.Sleep(quiet)
	for _, p := range n.rl.Processes() {
		if len(p.Args) == 2 && p.Args[1] == "netd" {
			kb, err := pss(p.PID)
			return float64(kb) / 1024, err
		}
	}
	return 0, errors.New("there is no network process")
}
