package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	e := AsUser(t)
	version := e.OK(t, "version", "-f", "{{.Client.Version}}")
	if version == "" || version != e.OK(t, "version", "--format", "{{.Server.Version}}") {
		t.Errorf("version %q", version)
	}
	e.Want(t, "rl version "+version, "--version")
	if text := e.OK(t, "version"); !strings.Contains(text, version) || !strings.Contains(text, "linux/") {
		t.Error(text)
	}
	var report struct {
		Client, Server struct{ Version, Os, Arch string }
	}
	text := e.OK(t, "version", "--format", "json")
	if err := json.Unmarshal([]byte(text), &report); err != nil || report.Server.Version != version || report.Client.Os != "linux" {
		t.Errorf("%v: %s", err, text)
	}
}

func TestInfo(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		version := e.OK(t, "version", "-f", "{{.Server.Version}}")
		data := e.Data()
		if e.Account.Root() {
			data = "/var/lib/rl" // over which the harness mounts it
		}
		e.Want(t, version+" "+data, "info", "-f", "{{.ServerVersion}} {{.DockerRootDir}}")
		for _, template := range []string{"{{.Images}}", "{{.Containers}}", "{{.ContainersStopped}}", "{{.NCPU}}", "{{.MemTotal}}"} {
			if n, err := strconv.Atoi(e.OK(t, "info", "--format", template)); err != nil || n < 1 {
				t.Errorf("%s: %d, %v", template, n, err)
			}
		}
		rootless := strings.Contains(e.OK(t, "info", "-f", "{{.SecurityOptions}}"), "name=rootless")
		if rootless == e.Account.Root() {
			t.Errorf("rootless is %v", rootless)
		}
		if driver := e.OK(t, "info", "-f", "{{.Driver}}"); driver != "overlay" && driver != "fuse-overlayfs" {
			t.Errorf("driver %q", driver)
		}
		text := e.OK(t, "info")
		for _, line := range []string{
			" Server Version: " + version, " Docker Root Dir: " + data, " Storage Driver: ", " Cgroup Version: ", "  Running: ", "   Profile: builtin",
		} {
			if !strings.Contains(text, "\n"+line) {
				t.Errorf("no %q in\n%s", line, text)
			}
		}
		if text := e.OK(t, "info", "--format", "json"); !json.Valid([]byte(text)) {
			t.Error(text)
		}
	})
}

func TestUnshare(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Want(t, "0", "unshare", "id", "-u")
		e.Want(t, "-n x", "unshare", "printf", "%s %s", "-n", "x")
		e.Run(t, "unshare", "sh", "-c", "exit 7").Exits(t, 7)
		e.Run(t, "unshare", "sh", "-c", "kill -TERM $$").Exits(t, 143)
		e.Run(t, "unshare", "no-such-program").Exits(t, 127).Says(t, "no-such-program")
		e.Run(t, "unshare", "/etc/passwd").Exits(t, 126).Says(t, "/etc/passwd")
		if r := e.Cmd("unshare").Input("id -u\n").Run(t); r.OK(t) != "0" { // $SHELL
			t.Error(r)
		}
	})
}

// Files that belong to other ids of a container are the person's to remove.
func TestUnshareRemoves(t *testing.T) {
	e := AsUser(t)
	name, data := e.Name(t), e.Folder(t)
	e.OK(t, "run", "--name", name, "-v", data+":/data", Image, "sh", "-c", "mkdir -m 700 /data/d; touch /data/d/f; chown -R 405:100 /data/d")
	if r := e.Tool("rm", "-r", data+"/d").Run(t); r.Code == 0 {
		t.Fatal("the files belonged to the person")
	}
	e.OK(t, "unshare", "rm", "-r", data+"/d")
	if _, err := os.Lstat(filepath.Join(data, "d")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// The scripts of `rl completion` work in the shells that they are for.
func TestCompletion(t *testing.T) {
	e := AsUser(t)
	up, down := e.Name(t), e.Name(t)
	e.OK(t, "run", "-d", "--name", up, Image, "sleep", "1000")
	e.OK(t, "create", "--name", down, Image, "true")
	e.Run(t, "completion", "csh").Exits(t, 125).Says(t, "bash")
	for _, shell := range []struct{ name, script string }{
		{"bash", `PATH=$DIR:$PATH; source <(rl completion bash)
			for line in "${LINES_TO_TRY[@]}"; do COMP_LINE=$line COMP_POINT=${#line}; _rl; printf '%s\n' "[$line]" "${COMPREPLY[@]}"; done`},
		{"zsh", `PATH=$DIR:$PATH; compdef() { }; compadd() { local -a found; found=(${(P)@[-1]}); print -rl -- $found }
			_files() { print / }; source <(rl completion zsh)
			for line in "${LINES_TO_TRY[@]}"; do words=("${(@s: :)line}") CURRENT=${#words}; print -r -- "[$line]"; _rl; done`},
		{"fish", `set PATH $DIR $PATH; rl completion fish | source
			for line in $LINES_TO_TRY; echo "[$line]"; complete -C "$line" | string replace -r '\t.*' ''; end`},
	} {
		t.Run(shell.name, func(t *testing.T) {
			Need(t, Program(shell.name, shell.name))
			lines := []string{"rl st", "rl exec ", "rl run --pull=ne", "rl rmi " + Image[:4], "rl run --cap-a"}
			out := e.Tool(shell.name, "-c", declare(shell.name, e.Dir, lines)+shell.script).Run(t).OK(t)
			for _, want := range []string{
				"[rl st]\nstart\nst", "[rl exec ]\n", "\n" + up + "\n", "ne", Image, "[rl run --cap-a]\n--cap-add",
			} {
				if !strings.Contains(out+"\n", want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, "\n"+down+"\n") {
				t.Errorf("exec is offered a container that does not run:\n%s", out)
			}
		})
	}
}

// declare writes the variables DIR and LINES_TO_TRY in a shell's words.
func declare(shell, dir string, lines []string) string {
	list := "'" + strings.Join(lines, "' '") + "'"
	if shell == "fish" {
		return "set DIR " + dir + "; set LINES_TO_TRY " + list + "; "
	}
	return "DIR=" + dir + "; LINES_TO_TRY=(" + list + "); "
}
