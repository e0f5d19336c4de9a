package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCommit(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{true, false} {
			c, image := e.Name(t), strings.ToLower(e.Name(t))+":1"
			script := "mkdir /new; echo made >/new/f; echo hidden >/vol/f; chown -R 5:6 /new; rm /etc/group; echo ready >/ready; exec sleep 1000"
			e.OK(t, "run", "-d", "--name", c, "-v", "/vol", "-e", "A=1", "-l", "k=v", Image, "sh", "-c", script)
			e.OK(t, "exec", c, "sh", "-c", "until test -s /ready; do sleep 0.01; done")
			if !running {
				e.OK(t, "stop", "-t", "0", c)
			}
			id := e.Run(t, "commit", "-q=false", "-a", "me", "-m", "words", "-c", `CMD ["cat","/new/f"]`, "-c", "ENV B=2", "-c", "EXPOSE 80", c, image)
			if id.Code == 0 {
				t.Error("a flag that is not there was taken")
			}
			made := e.OK(t, "commit", "-a", "me", "-m", "words", "-c", `CMD ["cat","/new/f"]`, "-c", "ENV B=2", "-c", "EXPOSE 80", c, image)
			e.Want(t, made, "image", "inspect", "-f", "{{.Id}}", image)
			e.Want(t, "made", "run", "--rm", image)
			e.Want(t, "5:6 1 2", "run", "--rm", image, "sh", "-c", "echo $(stat -c %u:%g /new/f) $A $B; test ! -e /etc/group; test ! -e /vol/f")
			e.Want(t, `me words map[80/tcp:{}] v [PATH A B]`, "image", "inspect", "-f",
				`{{.Author}} {{.Comment}} {{.Config.ExposedPorts}} {{.Config.Labels.k}} [{{range $i, $e := .Config.Env}}{{if $i}} {{end}}{{index (split $e "=") 0}}{{end}}]`, image)
			if out := e.OK(t, "history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", image); !strings.HasPrefix(out, "sh -c mkdir /new") || !strings.Contains(out, "|words") {
				t.Errorf("history: %q", out)
			}
			if running {
				e.Want(t, "running", "inspect", "-f", "{{.State.Status}}", c)
			}
			e.OK(t, "rm", "-fv", c)
			e.OK(t, "rmi", image)
		}
		e.Run(t, "commit", "no-such-one").Exits(t, 1).Says(t, "no such container")
		c := e.Name(t)
		e.OK(t, "create", "--name", c, Image, "true")
		e.Run(t, "commit", "-c", "FLY away", c).Exits(t, 125).Says(t, "FLY away")
		e.Run(t, "commit", c, "Capitals").Exits(t, 125).Says(t, "Capitals")
	})
}

// Podman runs what was committed.
func TestCommitForPodman(t *testing.T) {
	Need(t, Podman)
	e := Fresh(t, Ordinary)
	e.config(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Tool("podman", "system", "migrate").Run(t) })
	e.OK(t, "run", "--name", "made", Image, "sh", "-c", "echo made >/f; rm /etc/group")
	e.OK(t, "commit", "made", "localhost/ours:1")
	e.Tool("podman", "save", "-q", "-o", "ours.tar", "localhost/ours:1").Run(t).OK(t)
	list := e.Tool("sh", "-c", "mkdir x; tar -xf ours.tar -C x; for l in x/*.tar; do tar -tf $l; done | grep -E '^(f|etc/.wh.group)$' | sort | tr '\n' ' '").In(filepath.Clean(e.Home)).Run(t).OK(t)
	if strings.TrimSpace(list) != "etc/.wh.group f" {
		t.Errorf("the layers hold %q", list)
	}
}
