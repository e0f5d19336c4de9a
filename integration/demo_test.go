package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The demo shows a container that knows its limit, and one that breaks it.
func TestDemo(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		demo := filepath.Join(e.Dir, "demo")
		if out, err := exec.Command("go", "build", "-o", demo, "./demo").CombinedOutput(); err != nil {
			t.Fatalf("go build: %v: %s", err, out)
		}
		out := e.Tool(demo, e.Prog).Run(t).OK(t)
		for _, want := range []string{"process 1, user root", "limit 20971520 bytes, exit code 0", "Exited (137)"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
	})
}
