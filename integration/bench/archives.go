package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/integration"
)

// slow is how often at most is measured what takes seconds.
const slow = 5

// archiveFigures move files through archives, beside a pipe of two tars with the
// same files. What arrives is removed again, which is a part of the time of all.
func (s *stage) archiveFigures(megabytes int) []figure {
	tree := filepath.Join(s.peers.Home, "tree")
	there := filepath.Join(s.peers.Home, "there")
	here, second := s.rl.Prog, asShell(s.second)
	tar := contender{"tar", func(int) *integration.Cmd {
		return s.peers.Tool("sh", "-c", fmt.Sprintf("mkdir %[2]s && tar -c -C %[1]s . | tar -x -C %[2]s && rm -r %[2]s", tree, there))
	}}
	piped := func(script string) contender {
		return contender{"rl", func(int) *integration.Cmd { return s.rl.Tool("sh", "-c", script) }}
	}
	figures := []figure{
		{title: "save \\| load", contenders: []contender{piped(here + " save bulk | " + second + " load -q && " + second + " rmi bulk"), tar}},
		{title: "export \\| import", contenders: []contender{piped(here + " export bulk | " + second + " import - moved && " + second + " rmi moved"), tar}},
		{title: "cp", contenders: []contender{piped(here + " cp bulk:/ " + filepath.Join(s.rl.Home, "there") + " && rm -r " + filepath.Join(s.rl.Home, "there")), tar}},
	}
	for i := range figures {
		figures[i].title += fmt.Sprintf(" of %d MB", megabytes)
		figures[i].goals, figures[i].most = []goal{{"tar", 1.3}}, slow
	}
	figures[0].before = func() error { return s.makeTree(tree, megabytes) }
	return figures
}

// makeTree makes files of four megabytes, and an image and a container of them.
func (s *stage) makeTree(tree string, megabytes int) error {
	script := fmt.Sprintf("mkdir %[1]s && for i in $(seq %[2]d); do head -c 4194304 /dev/urandom >%[1]s/$i; done", tree, megabytes/4)
	if err := run(s.peers.Tool("sh", "-c", script)); err != nil {
		return err
	}
	if err := run(s.rl.Tool("sh", "-c", "tar -c -C "+tree+" . | "+s.rl.Prog+" import - bulk")); err != nil {
		return err
	}
	return run(s.rl.Cmd("create", "--network", "none", "--name", "bulk", "bulk", "true"))
}

// asShell is the words by which a shell of another installation calls e's rl.
func asShell(e *integration.Env) string {
	return "env " + strings.Join(e.Vars(), " ") + " " + e.Prog
}
