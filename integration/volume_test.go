package integration

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// volumes are the names of the volumes with a label of the test's own.
func (e *Env) volumes(t *testing.T, label string) string {
	t.Helper()
	return strings.Join(strings.Fields(e.OK(t, "volume", "ls", "-q", "--filter", "label=test="+label)), " ")
}

func TestVolumeLife(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Want(t, name, "volume", "create", "--label", "test="+name, name)
		e.Want(t, name, "volume", "create", name) // once more is no error
		e.Want(t, name, "volume", "ls", "-q", "--filter", "label=test="+name)
		var list []struct {
			CreatedAt, Driver, Mountpoint, Name, Scope string
			Labels, Options                            map[string]string
		}
		if err := json.Unmarshal([]byte(e.OK(t, "volume", "inspect", name)), &list); err != nil || len(list) != 1 {
			t.Fatalf("inspect: %v, %v", list, err)
		}
		v := list[0]
		if v.Name != name || v.Driver != "local" || v.Scope != "local" || v.Labels["test"] != name || v.Options != nil || v.CreatedAt == "" ||
			!strings.HasSuffix(v.Mountpoint, "/volumes/"+name+"/_data") {
			t.Errorf("inspect shows %+v", v)
		}
		e.OK(t, "run", "--rm", "-v", name+":/data", Image, "sh", "-c", "echo kept >/data/file")
		e.Want(t, "kept", "run", "--rm", "-v", name+":/other", Image, "cat", "/other/file")
		e.Want(t, name, "volume", "rm", name)
		e.Want(t, "", "volume", "ls", "-q", "--filter", "label=test="+name)
		e.Run(t, "volume", "inspect", name).Exits(t, 1).Says(t, "no such volume", name)
	})
}

func TestVolumeIsFilledFromTheImage(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, plain := e.Name(t), e.Name(t)
		e.OK(t, "run", "--rm", "-v", name+":/etc", Image, "true")
		want := e.OK(t, "run", "--rm", Image, "sh", "-c", "stat -c '%n %u:%g %a %F' /etc/passwd /etc/group /tmp")
		got := e.OK(t, "run", "--rm", "-v", name+":/mnt", Image, "sh", "-c", "stat -c '/etc/passwd %u:%g %a %F' /mnt/passwd; stat -c '/etc/group %u:%g %a %F' /mnt/group; stat -c '%n %u:%g %a %F' /tmp")
		if got != want {
			t.Errorf("in the volume\n%s\nin the image\n%s", got, want)
		}
		// The folder itself is as in the image, too.
		e.OK(t, "run", "--rm", "-v", plain+":/tmp", Image, "true")
		e.Want(t, "1777", "run", "--rm", "-v", plain+":/mnt", Image, "stat", "-c", "%a", "/mnt")
		e.OK(t, "volume", "rm", name, plain)
	})
}

// layered loads an image of two layers with a VOLUME /data: the upper one
// deletes a file of the lower one and adds one.
func (e *Env) layered(t *testing.T) (id string) {
	t.Helper()
	rootfs, err := BusyboxRootfs()
	if err != nil {
		t.Fatal(err)
	}
	tarOf := func(entries ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			if err := writeEntry(w, h, ""); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	l := newLayout(t)
	layers := []blobOf{
		l.blob("layer.v1.tar", rootfs),
		l.blob("layer.v1.tar", tarOf(
			tar.Header{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o1777},
			tar.Header{Name: "data/gone", Mode: 0o644}, tar.Header{Name: "data/kept", Mode: 0o640, Uid: 7, Gid: 8})),
		l.blob("layer.v1.tar", tarOf(
			tar.Header{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o1777}, tar.Header{Name: "data/.wh.gone", Mode: 0o644}, tar.Header{Name: "data/set", Mode: 0o4755, Uid: 5, Gid: 6},
			tar.Header{Name: "data/link", Typeflag: tar.TypeSymlink, Linkname: "kept"})),
	}
	var ids []string
	for _, layer := range layers {
		ids = append(ids, layer.Digest)
	}
	config := l.json("config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/sh"}, "Volumes": map[string]any{"/data": struct{}{}}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	manifest := l.json("manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	})
	l.index(manifest)
	for _, path := range []string{filepath.Dir(l.dir), l.dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.OK(t, "load", "-i", l.dir)
	return strings.TrimPrefix(config.Digest, "sha256:")
}

// The VOLUME of an image is an anonymous volume with what all of its layers
// together have there, owners, modes and links included.
func TestVolumeIsFilledOfSeveralLayers(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		image, c := e.layered(t), e.Name(t)
		for _, flags := range [][]string{nil, {"-v", c + ":/data"}, {"--userns", "keep-id", "-v", c + "k:/data"}} {
			args := append([]string{"run", "--name", c}, flags...)
			got := e.OK(t, append(args, image, "sh", "-c", "cd /data; stat -c '%n %u:%g %a' . *; readlink link")...)
			if want := ". 0:0 1777\nkept 7:8 640\nlink 0:0 777\nset 5:6 4755\nkept"; got != want {
				t.Errorf("%v: the volume has\n%s\nnot\n%s", flags, got, want)
			}
			mounted := e.OK(t, "inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.Name}}{{end}}", c)
			if !strings.HasPrefix(mounted, "volume /data ") {
				t.Errorf("%v: mounted is %q", flags, mounted)
			}
			e.OK(t, "rm", "-v", c)
		}
		e.OK(t, "volume", "rm", c, c+"k")
		e.OK(t, "rmi", image)
	})
}

func TestVolumeNoCopyReadOnlyAndSubpath(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Want(t, "", "run", "--rm", "-v", name+":/etc/apk:nocopy", Image, "ls", "/etc/apk")
		e.Run(t, "run", "--rm", "-v", name+":/data:ro", Image, "touch", "/data/x").Exits(t, 1).Says(t, "Read-only")
		e.OK(t, "run", "--rm", "-v", name+":/data", Image, "sh", "-c", "mkdir -p /data/in/side; echo f >/data/in/side/file; ln -s /etc /data/out")
		e.Want(t, "file", "run", "--rm", "--mount", "type=volume,src="+name+",dst=/s,volume-subpath=in/side", Image, "ls", "/s")
		r := e.Run(t, "run", "--rm", "--mount", "type=volume,src="+name+",dst=/s,volume-subpath=out", Image, "ls", "/s").Exits(t, 125)
		if r.Out != "" {
			t.Errorf("a link in the volume leads out of it: %s", r)
		}
		e.Run(t, "run", "--rm", "--mount", "type=volume,readonly,src="+name+",dst=/s", Image, "touch", "/s/x").Exits(t, 1)
		e.OK(t, "volume", "rm", name)
	})
}

func TestAnonymousVolumes(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c, other := e.Name(t), e.Name(t)
		anonymous := func() string {
			return e.OK(t, "inspect", "-f", `{{range .Mounts}}{{if eq .Destination "/data"}}{{.Type}} {{.Driver}} {{.Name}}{{end}}{{end}}`, c)
		}
		e.OK(t, "run", "--name", c, "-v", "/data", Image, "touch", "/data/x")
		kind, name, _ := strings.Cut(anonymous(), "local ")
		if kind != "volume " || len(name) != 64 {
			t.Fatalf("mounted is %q %q", kind, name)
		}
		e.Want(t, name, "volume", "ls", "-q", "--filter", "name="+name, "--filter", "label=com.docker.volume.anonymous")
		e.OK(t, "start", c) // it stays with the container
		// Another container has it, so it stays when the first one goes.
		e.Want(t, "x", "run", "--name", other, "--volumes-from", c, Image, "ls", "/data")
		e.OK(t, "rm", "-v", c)
		e.Want(t, name, "volume", "ls", "-q", "--filter", "name="+name)
		e.OK(t, "rm", "-v", other)
		e.Want(t, "", "volume", "ls", "-q", "--filter", "name="+name)
		// Without -v it stays, with --rm it goes.
		e.OK(t, "run", "--name", c, "-v", "/data", Image, "true")
		_, name, _ = strings.Cut(anonymous(), "local ")
		e.OK(t, "rm", c)
		e.Want(t, name, "volume", "ls", "-q", "--filter", "name="+name)
		e.OK(t, "volume", "rm", name)
		e.OK(t, "run", "--rm", "--name", c, "-v", "/data"+c, "-v", c+":/named", Image, "true")
		name = e.OK(t, "events", "--since", "10m", "--until", "now", "--filter", "type=volume", "--filter", "event=mount", "--format",
			`{{if eq .Actor.Attributes.destination "/data`+c+`"}}{{.Actor.ID}}{{end}}`)
		if name = strings.TrimSpace(name); len(name) != 64 {
			t.Errorf("mounted was %q", name)
		}
		e.Want(t, "", "volume", "ls", "-q", "--filter", "name="+name)
		e.Want(t, c, "volume", "rm", c)
	})
}

func TestVolumesFrom(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c, name, dir := e.Name(t), e.Name(t), e.Folder(t)
		e.OK(t, "create", "--name", c, "-v", name+":/named", "-v", dir+":/bound", "--tmpfs", "/scratch", Image, "true")
		e.OK(t, "run", "--rm", "--volumes-from", c, Image, "touch", "/named/a", "/bound/b")
		e.Want(t, "a", "run", "--rm", "--volumes-from", c+":ro", Image, "ls", "/named")
		e.Run(t, "run", "--rm", "--volumes-from", c+":ro", Image, "touch", "/named/c").Exits(t, 1).Says(t, "Read-only")
		e.Run(t, "run", "--rm", "--volumes-from", c+":ro", Image, "touch", "/bound/c").Exits(t, 1).Says(t, "Read-only")
		// The container's own flags win.
		e.Want(t, "", "run", "--rm", "--volumes-from", c, "--tmpfs", "/named", Image, "ls", "/named")
		borrower := e.Name(t)
		e.OK(t, "create", "--name", borrower, "--volumes-from", c, Image, "true")
		got := strings.Fields(e.OK(t, "inspect", "-f", `{{range .Mounts}}{{.Type}}:{{.Destination}} {{end}}`, borrower))
		slices.Sort(got)
		if want := "bind:/bound volume:/named"; strings.Join(got, " ") != want {
			t.Errorf("inspect shows %v, not %s", got, want)
		}
		e.OK(t, "rm", c, borrower)
		e.OK(t, "volume", "rm", name)
	})
}

func TestVolumeBadInput(t *testing.T) {
	e := AsUser(t)
	tests := []struct {
		args  string
		code  int
		words []string
	}{
		{"volume create /not/a/name", 125, []string{"/not/a/name", "letters"}},
		{"volume create x", 125, []string{"2 to 255"}},
		{"volume create --driver nfs data", 125, []string{"nfs", "local"}},
		{"volume create --label =x data", 125, []string{"=x"}},
		{"volume create --opt size data", 125, []string{"size"}},
		{"volume create --opt colour=red data", 125, []string{"colour"}},
		{"volume create --opt type=tmpfs --opt device=tmpfs data", 125, []string{"tmpfs", "--tmpfs"}},
		{"volume create --opt type=nfs --opt device=:/x data", 125, []string{"nfs", "root"}},
		{"volume create --opt type=none --opt o=bind --opt device=/no/such data", 125, []string{"/no/such"}},
		{"volume ls --filter colour=red", 125, []string{"colour", "dangling"}},
		{"volume ls --filter dangling=perhaps", 125, []string{"perhaps"}},
		{"volume inspect no-such-one", 1, []string{"no-such-one"}},
		{"volume inspect ../../etc", 1, []string{"../../etc"}},
		{"volume rm no-such-one", 1, []string{"no-such-one"}},
		{"volume rm ../volumes", 1, []string{"../volumes"}},
		{"volume rm", 125, []string{"VOLUME"}},
		{"volume prune --filter until=1h", 125, []string{"until", "label"}},
		{"run --rm -v x:/data IMAGE true", 125, []string{"x"}},
		{"run --rm -v data:/x:sideways IMAGE true", 125, []string{"sideways"}},
		{"run --rm --mount type=volume,src=data,dst=/x,volume-subpath=../up IMAGE true", 125, []string{"../up"}},
		{"run --rm --mount type=volume,src=data,dst=/x,volume-driver=nfs IMAGE true", 125, []string{"nfs"}},
		{"run --rm --mount type=volume,src=data,dst=/x,volume-opt=type=nfs IMAGE true", 125, []string{"nfs"}},
		{"run --rm --mount type=bind,src=/tmp,dst=/x,volume-label=a IMAGE true", 125, []string{"volume-label"}},
		{"run --rm --volume-driver nfs IMAGE true", 125, []string{"nfs", "root"}},
		{"run --rm --volumes-from no-such-one IMAGE true", 125, []string{"no-such-one"}},
		{"run --rm --volumes-from no-such-one:rx IMAGE true", 125, []string{"no-such-one:rx"}},
	}
	before := e.OK(t, "volume", "ls", "-q", "--filter", "name=data")
	for _, tt := range tests {
		r := e.Run(t, strings.Fields(strings.ReplaceAll(tt.args, "IMAGE", Image))...).Exits(t, tt.code).Says(t, tt.words...)
		if n := lines(r.Err); n == 0 || n > 2 {
			t.Errorf("want one clear line: %s", r)
		}
	}
	if now := e.OK(t, "volume", "ls", "-q", "--filter", "name=data"); now != before {
		t.Errorf("wrong commands made volumes: %s", now)
	}
}

// removeAll removes the containers there are, which may go by themselves, and
// waits for those that are still being made.
func (e *Env) removeAll(t *testing.T) {
	t.Helper()
	for {
		if listed := strings.Fields(e.OK(t, "ps", "-aq")); len(listed) > 0 {
			e.OK(t, append([]string{"rm", "-f"}, listed...)...)
			continue
		}
		monitors := slices.DeleteFunc(e.Processes(), func(p Process) bool { return !p.monitor() })
		if len(monitors) == 0 {
			return
		}
		WaitGone(t, monitors[0].PID)
	}
}

// Killed at any moment while a volume is made, filled or removed, what is there
// afterwards is a whole volume or none, and nothing else stays on disk.
func TestVolumeCrash(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	const list = "cd /usr && find . | sort | md5sum; stat -c '%a %u' /usr"
	whole := e.OK(t, "run", "--rm", "--network", "none", Image, "sh", "-c", list)
	e.OK(t, "volume", "rm", e.OK(t, "volume", "create"))
	e.settle(t)
	before := e.disk(t)
	c := &crash{Env: e, random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))}
	for range 25 {
		doing := e.Cmd("run", "--rm", "--network", "none", "-v", "victim:/usr", "-v", "/anonymous", Image, "true").Start(t)
		if c.random.IntN(3) == 0 {
			doing.Wait(t)
			doing = e.Cmd("volume", "rm", "-f", "victim").Start(t)
		}
		c.strike(t)
		doing.Wait(t)
		e.removeAll(t)
		if got := e.OK(t, "run", "--rm", "--network", "none", "-v", "victim:/usr", Image, "sh", "-c", list); got != whole {
			t.Errorf("the volume has\n%s\nthe image\n%s", got, whole)
		}
		if c.random.IntN(2) == 0 {
			e.OK(t, "volume", "rm", "victim")
		}
	}
	t.Logf("killed %d processes", c.killed)
	e.OK(t, "volume", "prune", "-af")
	e.OK(t, "container", "prune", "-f")
	e.settle(t)
	if now := e.disk(t); !slices.Equal(before, now) {
		t.Errorf("on disk: %v", difference(before, now))
	}
}
