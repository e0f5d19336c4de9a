package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBuildProgressOnTerminal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo first\nRUN echo hello; sleep 1.5\nRUN false\n"})
		tm := e.Cmd("build", "--no-cache", "--network=none", dir).Terminal(t)
		tm.Expect(t, " => => # hello")
		tm.Resize(t, 8, 30)
		tm.Expect(t, " => [2/4] RUN echo first  0.")
		tm.Resize(t, 24, 80)
		tm.Expect(t, " => ERROR [4/4] RUN false")
		tm.Expect(t, "rl build --debug")
		r := tm.Wait(t)
		r.Exits(t, 1)
		if !strings.Contains(r.Out, "\x1b[J") || !strings.HasSuffix(r.Out[:strings.LastIndex(r.Out, "\x1b[?7h")+5], "\x1b[?7h") {
			t.Errorf("the terminal is not left as it was: %q", r.Out)
		}
	})
}

func TestBuildProgressKinds(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo hello\n"})
	plain := e.Run(t, "build", "--no-cache", dir).Exits(t, 0)
	for _, want := range []string{"#1 [1/2] FROM alpine:3.20\n", "#2 [2/2] RUN echo hello\n", " hello\n", "#2 DONE "} {
		if !strings.Contains(plain.Err, want) {
			t.Errorf("%q is not in %s", want, plain.Err)
		}
	}
	e.Run(t, "build", dir).Says(t, "#2 CACHED")
	if quiet := e.Run(t, "build", "--progress=quiet", dir).Exits(t, 0); quiet.Err != "" {
		t.Errorf("got %q", quiet.Err)
	}
	raw := e.Run(t, "build", "--no-cache", "--progress=rawjson", dir).Exits(t, 0)
	logged := ""
	for lines := json.NewDecoder(strings.NewReader(raw.Err)); lines.More(); {
		var status struct {
			Vertexes []struct{ Name, Digest string }
			Logs     []struct{ Data []byte }
		}
		if err := lines.Decode(&status); err != nil {
			t.Fatal(err)
		}
		for _, l := range status.Logs {
			logged += string(l.Data)
		}
	}
	if !strings.HasPrefix(logged, "hello\n") {
		t.Errorf("logged %q", logged)
	}
	e.Run(t, "build", "--progress=tty", dir).Exits(t, 125).Says(t, "needs a terminal")
	e.Run(t, "build", "--progress=loud", dir).Exits(t, 125).Says(t, "loud")
}

// --debug opens a shell that sees what the failed step did.
func TestBuildDebug(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nENV SEEN=yes\nRUN echo made >/made; exit 3\n"})
		tm := e.Cmd("build", "--debug", dir).Terminal(t)
		tm.Expect(t, "A shell in the step")
		tm.Expect(t, "# ")
		tm.Type(t, "stty size; cat /made; echo $SEEN-$((40+2))\r")
		tm.Expect(t, "24 80")
		tm.Expect(t, "yes-42")
		tm.Type(t, "exit\r")
		tm.Expect(t, "exit code: 3")
		tm.Wait(t).Exits(t, 1)
		e.Cmd("build", "--debug", dir).Input("cat /made\n").Run(t).Exits(t, 1).Says(t, "made", "exit code: 3")
		e.Run(t, "build", "--debug", "-f", "-", dir).Exits(t, 125).Says(t, "--debug")
	})
}
