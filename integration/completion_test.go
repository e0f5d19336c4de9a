package integration

import (
	"strings"
	"testing"
)

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

// Who has called rl docker has its lines completed as well, and those of other aliases left alone.
func TestCompletionOfAnAlias(t *testing.T) {
	e := AsUser(t)
	Need(t, Program("bash", "bash"))
	out := e.Tool("bash", "-c", declare("bash", e.Dir, []string{"docker st"})+`PATH=$DIR:$PATH; alias docker=rl other=ls
		source <(rl completion bash); COMP_LINE=$LINES_TO_TRY COMP_POINT=${#LINES_TO_TRY}; _rl
		complete -p docker; complete -p other 2>&1; printf '%s\n' "${COMPREPLY[@]}"`).Run(t).OK(t)
	if !strings.Contains(out, "complete -F _rl docker\n") || strings.Contains(out, "complete -F _rl other") || !strings.Contains(out+"\n", "\nstart\n") {
		t.Errorf("docker is not completed: %s", out)
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
