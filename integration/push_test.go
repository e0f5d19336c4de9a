package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// A registry that asks for a name and a password: what bcrypt makes of "secret".
const passwords = "me:$2y$05$PpMIe03F.MnjhZesy2gGnONlO7vIKMbT5PVNmhND4hoi0j.nRl/oS\n"

func TestLogin(t *testing.T) {
	Need(t, DockerRegistry)
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := startRegistry(t, "auth:\n  htpasswd:\n    realm: tests\n    path: "+file+"\n")
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	name := registry.Addr + "/private:1"
	e.OK(t, "tag", Image, name)
	if r := e.Run(t, "push", name); r.Code == 0 {
		t.Error("pushed without a password")
	}
	if r := e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("wrong").Run(t); r.Code == 0 {
		t.Error("a wrong password was taken")
	}
	out := e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("secret\n").Run(t).OK(t)
	if out != "Login Succeeded" {
		t.Errorf("login said %q", out)
	}
	e.OK(t, "push", "-q", name)
	e.OK(t, "rmi", name)
	e.OK(t, "pull", "-q", name)
	auth, err := os.ReadFile(filepath.Join(e.Home, ".docker/config.json"))
	if err != nil || !strings.Contains(string(auth), registry.Addr) {
		t.Errorf("kept: %s, %v", auth, err)
	}
	if info, err := os.Stat(filepath.Join(e.Home, ".docker/config.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the password: %v, %v", info, err)
	}
	e.OK(t, "logout", registry.Addr)
	if r := e.Run(t, "push", name); r.Code == 0 {
		t.Error("pushed after the logout")
	}
}

func TestSearch(t *testing.T) {
	Need(t, DockerRegistry)
	registry := StartRegistry(t)
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	for _, name := range []string{"team/web", "team/db"} {
		e.OK(t, "tag", Image, registry.Addr+"/"+name)
		e.OK(t, "push", "-q", registry.Addr+"/"+name)
	}
	e.Want(t, registry.Addr+"/team/web", "search", "--format", "{{.Name}}", registry.Addr+"/web")
	e.Want(t, registry.Addr+"/team/db\n"+registry.Addr+"/team/web", "search", "--format", "{{.Name}}", registry.Addr+"/team")
}

func TestHistory(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		id := e.OK(t, "image", "inspect", "-f", "{{.Id}}", Image)
		e.Want(t, id, "history", "-q", "--no-trunc", Image)
		e.Want(t, strings.TrimPrefix(id, "sha256:")[:12], "history", "-q", Image)
		if out := e.OK(t, "history", Image); !strings.HasPrefix(out, "IMAGE") || !strings.Contains(out, "CREATED BY") {
			t.Errorf("history prints %q", out)
		}
	})
}

func TestImagePrune(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.Tool("sh", "-c", "mkdir root; echo 1 >root/f; tar -C root -c . | "+e.Prog+" import - one; echo 2 >root/f; tar -C root -c . | "+e.Prog+" import - one; tar -C root -c f | "+e.Prog+" import - two").Run(t).OK(t)
	e.Cmd("image", "prune").Input("n\n").Run(t).OK(t)
	if ids := strings.Fields(e.OK(t, "images", "-q", "--filter", "dangling=true")); len(ids) != 1 {
		t.Errorf("%d images without a name, one was made", len(ids))
	}
	out := e.OK(t, "image", "prune", "-f")
	if !strings.Contains(out, "Deleted Images:\ndeleted: sha256:") || !strings.Contains(out, "Total reclaimed space: ") {
		t.Errorf("image prune said %q", out)
	}
	e.Want(t, "", "images", "-q", "--filter", "dangling=true")
	e.OK(t, "create", "--name", "user", Image, "true")
	e.OK(t, "image", "prune", "-af")
	if left := e.OK(t, "images", "--format", "{{.Repository}}"); strings.Contains(left, "one") || strings.Contains(left, "two") || !strings.Contains(left, Image) {
		t.Errorf("left are %q", left)
	}
}
