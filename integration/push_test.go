package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// insecure lets the Env's commands use a registry without TLS.
func (e *Env) insecure(t testing.TB, r *Registry) {
	e.config(t, "registries.conf", fmt.Sprintf("[[registry]]\nlocation=%q\ninsecure=true\n", r.Addr))
}

// uses makes the image of the tests available in an Env of the test's own, for
// a registry.
func (e *Env) uses(t *testing.T, r *Registry) {
	t.Helper()
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.insecure(t, r)
}

func TestPush(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	name := registry.Addr + "/team/app"
	for _, tag := range []string{"1", "2"} {
		e.OK(t, "tag", Image, name+":"+tag)
	}
	out := e.OK(t, "push", name+":1")
	digest := registry.Digest(t, "team/app", "1")
	if digest == "" || !strings.Contains(out, "1: digest: "+digest+" size: ") || !strings.Contains(out, "The push refers to repository ["+name+"]") {
		t.Errorf("the registry has %q, push said %q", digest, out)
	}
	e.Want(t, name+":2", "push", "-q", name+":2")
	e.OK(t, "tag", Image, name+":3")
	e.OK(t, "push", "-a", "-q", name)
	if got := registry.Digest(t, "team/app", "3"); got != digest {
		t.Errorf("one image has the digests %s and %s", digest, got)
	}
	// Others read what was pushed, and so do we.
	if out, err := exec.Command("skopeo", "inspect", "--tls-verify=false", "docker://"+name+":1").CombinedOutput(); err != nil {
		t.Errorf("skopeo: %v: %s", err, out)
	}
	e.OK(t, "rmi", name+":1", name+":2", name+":3")
	e.OK(t, "pull", "-q", name+":2")
	e.Want(t, "hello", "run", "--rm", name+":2", "echo", "hello")
	if told := e.OK(t, "events", "--since", "1h", "--until", "0s", "--filter", "event=push", "--format", "{{.Actor.ID}}"); !strings.Contains(told, name+":1") {
		t.Errorf("events of the push: %q", told)
	}
}

func TestPushBadInput(t *testing.T) {
	Need(t, DockerRegistry)
	registry := StartRegistry(t)
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	for _, tt := range []struct {
		args  []string
		words []string
	}{
		{[]string{"push", registry.Addr + "/no/such"}, []string{"no such image"}},
		{[]string{"push", "Capitals"}, []string{"Capitals", "lower"}},
		{[]string{"push", "-a", registry.Addr + "/a:1"}, []string{"--all-tags"}},
		{[]string{"search", "--limit", "0", "x"}, []string{"--limit"}},
		{[]string{"search", "--filter", "colour=blue", "x"}, []string{"colour"}},
		{[]string{"history", "no-such-image"}, []string{"no such image"}},
		{[]string{"image", "prune", "-f", "--filter", "colour=blue"}, []string{"colour"}},
		{[]string{"login", "-p", "x", "--password-stdin", registry.Addr}, []string{"--password"}},
		{[]string{"login", "--password-stdin", registry.Addr}, []string{"--username"}},
		{[]string{"login", registry.Addr + "/path"}, []string{"registry"}},
	} {
		r := e.Run(t, tt.args...)
		if r.Code == 0 {
			t.Errorf("rl %v succeeded", tt.args)
		}
		r.Says(t, tt.words...)
	}
}
