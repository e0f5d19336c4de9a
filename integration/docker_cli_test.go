package integration

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// DockerClient is Docker's command line; no daemon is needed.
var DockerClient = Program("docker", "docker.io")

// Every command and flag that Docker's client lists is rl's too, under the same
// letter, or stands in docs/docker.md with a reason; and nothing stands there
// that rl has.
func TestFlagsOfDocker(t *testing.T) {
	Need(t, DockerClient)
	e := AsUser(t)
	commands, flags := explained(t)
	seen := map[string]bool{}
	for _, name := range dockerCommands(t, "") {
		if slices.Contains(commands, name) {
			if r := e.Run(t, append([]string{"help"}, strings.Fields(name)...)...); r.Code == 0 {
				t.Errorf("rl has %q, and docs/docker.md says that it has not", name)
			}
			continue
		}
		page := e.Run(t, append([]string{"help"}, strings.Fields(name)...)...)
		if page.Code != 0 {
			if !strings.Contains(page.Err, "does not have yet") {
				t.Errorf("rl has no %q, and docs/docker.md does not say why", name)
			}
			continue
		}
		for _, alias := range dockerAliases(t, name) {
			if r := e.Run(t, append([]string{"help"}, strings.Fields(alias)...)...); r.Out != page.Out && !strings.Contains(alias, "buildx") {
				t.Errorf("rl %s and rl %s differ: %s", name, alias, r)
			}
		}
		for flag, letter := range dockerFlags(t, name) {
			why := ""
			for _, key := range []string{name + " " + flag, strings.TrimPrefix(name, "container ") + " " + flag, "* " + flag} {
				if flags[key] != "" {
					why, seen[key] = flags[key], true
				}
			}
			has := regexp.MustCompile(`(?m)^ +(-\S, )?--(\[no-\])?` + strings.TrimPrefix(flag, "--") + `( |$)`).MatchString(page.Out)
			if has && letter != "" && !strings.Contains(page.Out, " -"+letter+", --") {
				t.Errorf("rl %s has %s, and not as -%s", name, flag, letter)
			}
			switch {
			case has && why != "":
				t.Errorf("rl %s has %s, and docs/docker.md says that it has not", name, flag)
			case !has && why == "" && !e.comesLater(t, name, flag):
				t.Errorf("rl %s lacks %s, and docs/docker.md does not say why", name, flag)
			case strings.Contains(why, "refused with that reason"):
				e.refuses(t, name, flag)
			}
		}
	}
	t.Logf("%d of %d rows are about flags that this client has", len(seen), len(flags))
}

// refuses holds a flag to an error that is about that flag and says more than
// that there is none.
func (e *Env) refuses(t *testing.T, command, flag string) {
	t.Helper()
	r := e.Run(t, append(strings.Fields(command), flag, "x", Image)...).Exits(t, 125).Says(t, flag)
	if strings.Contains(r.Err, "unknown flag") {
		t.Errorf("no reason: %s", r)
	}
}

func (e *Env) comesLater(t *testing.T, command, flag string) bool {
	t.Helper()
	return strings.Contains(e.Run(t, append(strings.Fields(command), flag, "x", Image)...).Err, "does not have yet")
}

// explained reads docs/docker.md: the commands that rl lacks, and the reasons
// for flags by "COMMAND --flag".
func explained(t *testing.T) (commands []string, flags map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../docs/docker.md")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile("`([^`]+)`")
	flags = map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(cells) == 4: // of a row with two columns
			for _, w := range words.FindAllStringSubmatch(cells[1], -1) {
				commands = append(commands, w[1])
			}
		case len(cells) == 5:
			for _, command := range words.FindAllStringSubmatch(cells[1], -1) {
				for _, flag := range words.FindAllStringSubmatch(cells[2], -1) {
					flags[command[1]+" "+flag[1]] = strings.TrimSpace(cells[3])
				}
			}
		}
	}
	return commands, flags
}

// dockerCommands lists what `docker NOUN --help` names, and for no noun what
// follows each noun too. Plugins, marked with a star, are programs of their own.
func dockerCommands(t *testing.T, noun string) []string {
	t.Helper()
	out, err := exec.Command("docker", append(strings.Fields(noun), "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	section := ""
	for line := range strings.Lines(string(out)) {
		if strings.HasSuffix(line, ":\n") {
			section = line
		}
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "  ") || len(fields) < 2 || !strings.Contains(section, "Commands") || strings.HasPrefix(fields[0], "-") {
			continue
		}
		name := strings.TrimSpace(noun + " " + fields[0])
		if strings.HasPrefix(line, "   ") || strings.HasSuffix(name, "*") {
			continue
		}
		if noun == "" && slices.Contains([]string{"container", "image", "network", "volume", "system", "checkpoint"}, name) {
			list = append(list, dockerCommands(t, name)...)
			continue
		}
		list = append(list, name)
	}
	return list
}

// dockerFlags lists the flags that a command's help names, each with its letter,
// "" for none.
func dockerFlags(t *testing.T, command string) map[string]string {
	t.Helper()
	out, err := exec.Command("docker", append(strings.Fields(command), "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)^ +(?:-(\S), )?(--[a-z0-9-]+)`).FindAllStringSubmatch(string(out), -1) {
		list[found[2]] = found[1]
	}
	return list
}

// dockerAliases are the other names of a command, in its help.
func dockerAliases(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("docker", append(strings.Fields(command), "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^Aliases:\n +(.*)$`).FindStringSubmatch(string(out))
	if found == nil {
		return nil
	}
	var list []string
	for name := range strings.SplitSeq(found[1], ",") {
		list = append(list, strings.TrimPrefix(strings.TrimSpace(name), "docker "))
	}
	return list
}

// Help and mistakes end with the same codes in both, but for those that
// docs/docker.md names.
func TestExitCodesOfDocker(t *testing.T) {
	Need(t, DockerClient)
	e := AsUser(t)
	for _, line := range []string{
		"--help", "--version", "-v", "help run", "run --help", "container --help", "container", "image ls --help",
		"run --no-such-flag", "ps --no-such-flag", "--no-such-flag", "stop -t", "kill -s", "run --name",
		"--context default --version", "--config /tmp --version", "-l info --version",
	} {
		args := strings.Fields(line)
		docker := e.Tool("docker", args...).Run(t)
		if ours := e.Run(t, args...); ours.Code != docker.Code {
			t.Errorf("docker %s ends with %d: %s", line, docker.Code, ours)
		}
	}
	for _, line := range []string{"no-such-command", "run", "rm", "container no-such-command", "-H unix:///x ps"} {
		args := strings.Fields(line)
		if docker := e.Tool("docker", args...).Run(t); docker.Code != 1 {
			t.Errorf("no difference any more: %s", docker)
		}
		e.Run(t, args...).Exits(t, 125)
	}
}
