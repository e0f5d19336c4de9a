package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/rl-project/rl/integration"
)

// figures are the comparisons, with the goals that rl has set itself.
func (s *stage) figures(megabytes int) []figure {
	alone := []contender{s.rlRun("--network", "none")}
	alone = append(alone, s.runtimes()...)
	alone = append(alone, s.podmanDoes("run", "--rm", "--network", "none", integration.Image, "true")...)
	networked := append([]contender{s.rlRun()}, s.podmanDoes("run", "--rm", integration.Image, "true")...)
	inside := append([]contender{s.rlDoes("exec", idle, "true")}, s.podmanDoes("exec", idle, "true")...)
	listed := append([]contender{s.rlDoes("ps")}, s.podmanDoes("ps")...)
	figures := []figure{
		{title: "run `true`, no network", contenders: alone, goals: []goal{{"crun", 1.5}, {"podman", 1.0 / 8}}},
		{title: "run `true`, default network", contenders: networked, goals: []goal{{"podman", 1.0 / 6}}},
		{title: "exec `true`", contenders: inside, goals: []goal{{"podman", 1.0 / 15}}},
		{title: "ps", contenders: listed, goals: []goal{{"podman", 1.0 / 4}}},
		{title: fmt.Sprintf("log %d MB of short lines, a new file every 10", megabytes), contenders: s.logging(megabytes),
			goals: []goal{{"podman", 1.0 / 3}}, most: long},
		{title: "16 times run `true` at once, no network", contenders: alone, atOnce: 16, goals: []goal{{"crun", 3}}},
	}
	return append(figures, s.crowdFigures()...)
}

// long is how often at most is measured what takes a minute.
const long = 2

// logging are containers whose output is only kept, not shown. Each line gets
// so much longer in the log that all of a gigabyte would fill a disk.
func (s *stage) logging(megabytes int) []contender {
	noise := []string{integration.Image, "sh", "-c", fmt.Sprintf("yes | head -c %d", megabytes<<20)}
	args := []string{"run", "--rm", "-a", "stdin", "--network", "none", "--log-opt", "max-size=10m"}
	rl := append(slices.Clone(args), noise...)
	peer := append(append(args, "--log-driver", "k8s-file"), noise...)
	return append([]contender{s.rlDoes(rl...)}, s.podmanDoes(peer...)...)
}

func (s *stage) rlRun(flags ...string) contender {
	args := append([]string{"run", "--rm"}, flags...)
	return s.rlDoes(append(args, integration.Image, "true")...)
}

func (s *stage) rlDoes(args ...string) contender {
	return contender{"rl", func(int) *integration.Cmd { return s.rl.Cmd(args...) }}
}

// podmanDoes is empty where podman is not there.
func (s *stage) podmanDoes(args ...string) []contender {
	if !s.podman {
		return nil
	}
	return []contender{{"podman", func(int) *integration.Cmd { return s.peers.Tool("podman", args...) }}}
}

// runtimes are the programs that run an unpacked root file system.
func (s *stage) runtimes() []contender {
	var all []contender
	for _, r := range []integration.Requirement{integration.Crun, integration.Runc} {
		if r.Check() != nil {
			continue
		}
		dir, err := s.writeConfig(r.Name)
		if err == nil {
			err = run(s.peers.Tool(r.Name, "run", "try").In(dir))
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s, which does not work here: %v\n", r.Name, err)
			continue
		}
		all = append(all, contender{r.Name, func(n int) *integration.Cmd {
			return s.peers.Tool(r.Name, "run", fmt.Sprintf("c%d", n)).In(dir)
		}})
	}
	if integration.Bubblewrap.Check() == nil {
		all = append(all, contender{"bwrap", func(int) *integration.Cmd {
			return s.peers.Tool("bwrap", "--unshare-all", "--bind", s.bundle+"/rootfs", "/", "--proc", "/proc", "--dev", "/dev", "true")
		}})
	}
	return all
}
