package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/integration"
)

// buildFigures compare builds with buildah's.
func (s *stage) buildFigures(megabytes int) []figure {
	steps := "FROM " + integration.Image + "\n" + strings.Repeat("RUN true\n", 20)
	// A second of work of a shell, as near as a shell can tell.
	const stages = 4
	work := "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"
	parallel, last := "", "FROM "+integration.Image+"\n"
	for i := range stages {
		parallel += fmt.Sprintf("FROM %s AS s%d\nRUN %s; touch /%[2]d\n", integration.Image, i, work)
		last += fmt.Sprintf("COPY --from=s%d /%[1]d /\n", i)
	}
	one := "FROM " + integration.Image + " AS s0\nRUN " + work + "; touch /0\n"
	copied := func(what string) string { return "FROM " + integration.Image + "\nCOPY " + what + " /" + what + "\n" }
	files := map[string]string{"steps": steps, "parallel": parallel + last, "one": one, "small": copied("small"), "large": copied("large")}
	many := 50 * megabytes
	var tenth []goal
	if megabytes >= 1024 { // of less, what every build costs is more
		tenth = []goal{{cold, 1.0 / 10}}
	}
	figures := []figure{
		{title: "build 20 steps, all cached", contenders: s.builds("steps"), goals: []goal{{"buildah", 1.0 / 10}}, most: slow},
		{title: "build 20 times RUN true, nothing cached", contenders: s.builds("steps", "--no-cache"), goals: []goal{{"buildah", 1.0 / 5}}, most: 1},
		{title: fmt.Sprintf("COPY %d small files", many), contenders: s.builds("small", "--no-cache"), goals: []goal{{"buildah", 1.0 / 2}}, most: 3},
		{title: fmt.Sprintf("COPY %d small files, cached", many), contenders: s.cached("small"), goals: tenth, most: 3},
		{title: fmt.Sprintf("COPY %d MB", megabytes), contenders: s.builds("large", "--no-cache"), goals: []goal{{"buildah", 1.0 / 2}}, most: 3},
		{title: fmt.Sprintf("COPY %d MB, cached", megabytes), contenders: s.cached("large"), goals: tenth, most: 3},
		{title: "build 4 stages of about a second", goals: []goal{{"one such stage", 2.3}}, most: slow, contenders: []contender{
			s.build("rl", s.rl.Prog, "build", "parallel", "--no-cache"), s.build("one such stage", s.rl.Prog, "build", "one", "--no-cache")}},
	}
	figures[0].before = func() error { return s.makeContext(files, many, megabytes) }
	return figures
}

// builds are the contenders for a Dockerfile of the context. Buildah finds the
// image where podman has it.
func (s *stage) builds(file string, flags ...string) []contender {
	all := []contender{s.build("rl", s.rl.Prog, "build", file, flags...)}
	if s.podman && integration.Buildah.Check() == nil {
		all = append(all, s.build("buildah", "buildah", "bud --layers --isolation chroot", file, flags...))
	}
	return all
}

// cold is rl's own build without the cache, beside the same build with it.
const cold = "rl, nothing cached"

func (s *stage) cached(file string) []contender {
	return append(s.builds(file), s.build(cold, s.rl.Prog, "build", file, "--no-cache"))
}

func (s *stage) build(name, program, verb, file string, flags ...string) contender {
	e := s.peers
	if program == s.rl.Prog {
		e = s.rl
	}
	script := fmt.Sprintf("exec %s %s -q %s -t built -f %s %[5]s", program, verb, strings.Join(flags, " "), filepath.Join(s.context(), "Dockerfile."+file), s.context())
	return contender{name, func(int) *integration.Cmd { return e.Tool("sh", "-c", script) }}
}

func (s *stage) context() string { return filepath.Join(s.peers.Home, "context") }

// makeContext makes the Dockerfiles and what they copy.
func (s *stage) makeContext(files map[string]string, many, megabytes int) error {
	script := fmt.Sprintf(`umask 022; mkdir -p %[1]s/small && cd %[1]s && head -c %[2]dM /dev/urandom >large &&
for d in $(seq %[3]d); do mkdir small/$d; for i in $(seq 50); do echo $d $i >small/$d/$i; done; done`, s.context(), megabytes, many/50)
	if err := run(s.peers.Tool("sh", "-c", script)); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.context(), "Dockerfile."+name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
