package integration

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// eachFresh runs f in an installation without images, as an ordinary user and,
// when the tests run as root, as root.
func eachFresh(t *testing.T, f func(t *testing.T, e *Env)) {
	t.Helper()
	t.Run("user", func(t *testing.T) { f(t, Fresh(t, Ordinary)) })
	if os.Geteuid() == 0 {
		t.Run("root", func(t *testing.T) { f(t, Fresh(t, RootAccount)) })
	}
}

// smallRootfs is a tar with a few files of several owners.
func smallRootfs(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/file", Mode: 0o640, Uid: 1234, Gid: 42},
		{Name: "etc/link", Typeflag: tar.TypeSymlink, Linkname: "file"},
	} {
		content := ""
		if h.Typeflag == 0 {
			content = h.Name
		}
		if err := writeEntry(w, h, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// importSmall imports a small image.
func importSmall(t testing.TB, e *Env, name string, more ...string) (id string) {
	t.Helper()
	args := append(append([]string{"import"}, more...), "-", name)
	return strings.TrimPrefix(e.Cmd(args...).Stdin(bytes.NewReader(smallRootfs(t))).Run(t).OK(t), "sha256:")
}

func TestImageLife(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		e.Want(t, "", "images", "-q")
		id := importSmall(t, e, "made:1", "-c", `CMD ["/bin/x"]`, "-c", "LABEL l=v", "-m", "by hand")
		e.Want(t, id[:12], "images", "-q")
		e.Want(t, "sha256:"+id, "images", "-q", "--no-trunc")
		e.Want(t, "made 1", "images", "--format", "{{.Repository}} {{.Tag}}")
		e.Want(t, "[/bin/x] by hand v", "image", "inspect", "-f", `{{.Config.Cmd}} {{.Comment}} {{index .Config.Labels "l"}}`, "made:1")
		e.OK(t, "tag", "made:1", "other/name")
		e.Want(t, "made:1\nother/name:latest", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "label=l=v")
		e.Want(t, "other/name", "images", "--format", "{{.Repository}}", "other/name")
		e.Want(t, "Untagged: made:1", "rmi", "made:1")
		r := e.Run(t, "rmi", id[:8]).Exits(t, 0)
		if !strings.HasPrefix(r.Out, "Untagged: other/name:latest\nDeleted: sha256:"+id+"\nDeleted: sha256:") {
			t.Errorf("got %q", r.Out)
		}
		e.Want(t, "", "images", "-q")
	})
}

func TestImageErrors(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		text := e.File(t, "text", "hello, this is no archive")
		for _, c := range []struct {
			args []string
			says string
		}{
			{[]string{"save", "-o", "/no/such/folder/file", "nothing"}, "/no/such/folder/file"},
			{[]string{"load", "-i", text}, "not an image archive"},
			{[]string{"import", text, "x"}, "not an image archive"},
		} {
			r := e.Run(t, c.args...).Exits(t, 1).Says(t, c.says)
			if strings.Count(r.Err, "\n") != 1 {
				t.Errorf("want one line: %s", r)
			}
		}
		for _, args := range [][]string{{"-c", "FROM x", text}, {"-c", "EXPOSE 65536", text}, {text, "Upper/Case"}} {
			e.Run(t, append([]string{"import"}, args...)...).Exits(t, 125).Says(t, args[1])
		}
		if _, err := os.Stat(filepath.Join(e.Home, "x.tar")); err == nil {
			t.Error("a failed save left its file")
		}
		e.Want(t, "", "images", "-q")
	})
}

// TestPodmanSharesTheStore checks that Podman and rl see each other's images
// and do not remove what the other uses.
func TestPodmanSharesTheStore(t *testing.T) {
	Need(t, Podman, RealImages)
	e := Fresh(t, Ordinary)
	config := filepath.Join(e.Home, ".config", "containers")
	for _, dir := range []string{filepath.Dir(config), config} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		e.own(t, dir)
	}
	// Debian's Podman would begin a new store with vfs.
	e.File(t, ".config/containers/storage.conf", "[storage]\ndriver=\"overlay\"\n")
	podman := func(args ...string) Result { return e.Tool("podman", args...).Run(t) }
	t.Cleanup(func() { podman("system", "migrate") }) // ends the process that keeps Podman's namespace
	e.Load(t, Archive("alpine-3.20.3.tar"))
	if got := podman("images", "--format", "{{.Repository}}:{{.Tag}}").OK(t); got != "docker.io/library/alpine:3.20" {
		t.Errorf("podman sees %q", got)
	}
	podman("tag", "alpine:3.20", "localhost/theirs:1").OK(t)
	e.Want(t, "alpine:3.20\nlocalhost/theirs:1", "images", "--format", "{{.Repository}}:{{.Tag}}")
	podman("load", "-i", Archive("alpine-3.20.3.tar")).OK(t)

	name := e.Name(t)
	e.OK(t, "create", "--name", name, "--network", "none", "theirs:1", "true")
	podman("rmi", "localhost/theirs:1", "alpine:3.20").Exits(t, 2).Says(t, "used")
	e.Run(t, "rmi", "alpine:3.20").Exits(t, 1).Says(t, "remove the container first")
	e.OK(t, "rm", name)

	// As a removal leaves it that was killed before it gave the image back.
	id := e.OK(t, "create", "--name", name, "--network", "none", "alpine:3.20", "true")
	folder, aside := filepath.Join(e.Data(), "containers", id), filepath.Join(e.Data(), "trash", id)
	if err := os.Rename(folder, aside); err != nil {
		t.Fatal(err)
	}
	podman("rmi", "alpine:3.20").Exits(t, 2).Says(t, "used")
	e.OK(t, "container", "prune", "-f")
	podman("rmi", "alpine:3.20").OK(t)
	e.Load(t, Archive("alpine-3.20.3.tar"))
	if left, err := os.ReadDir(filepath.Dir(aside)); err != nil || len(left) > 0 {
		t.Errorf("in the trash there are %v, %v", left, err)
	}

	podman("create", "--name", "theirs", "alpine:3.20", "true").OK(t)
	e.Run(t, "rmi", "alpine:3.20").Exits(t, 1).Says(t, "remove the container first")
	podman("rm", "theirs").OK(t)
	podman("rmi", "alpine:3.20").OK(t)
	e.Want(t, "", "images", "-q")
}

// TestAdditionalStore has images in a store that is only read.
func TestAdditionalStore(t *testing.T) {
	e := Fresh(t, Ordinary)
	shared := filepath.Join(e.Home, "shared")
	first := e.File(t, "first.conf", "[storage]\ndriver=\"overlay\"\ngraphroot=\""+shared+"\"\nrunroot=\""+e.Runtime+"/first\"\n")
	second := e.File(t, "second.conf", "[storage]\ndriver=\"overlay\"\ngraphroot=\""+e.Home+"/own\"\nrunroot=\""+e.Runtime+"/second\"\n[storage.options]\nadditionalimagestores=[\""+shared+"\"]\n")
	e.Cmd("import", "-", "made").Set("CONTAINERS_STORAGE_CONF=" + first).Stdin(bytes.NewReader(smallRootfs(t))).Run(t).OK(t)
	e.Want(t, "", "images", "-q")
	if got := e.Cmd("images", "--format", "{{.Repository}}").Set("CONTAINERS_STORAGE_CONF=" + second).Run(t).OK(t); got != "made" {
		t.Errorf("got %q", got)
	}
	e.Cmd("rmi", "made").Set("CONTAINERS_STORAGE_CONF="+second).Run(t).Exits(t, 1).Says(t, "only read")
	e.Cmd("rmi", "made").Set("CONTAINERS_STORAGE_CONF=" + first).Run(t).OK(t)
	if got := e.Cmd("images", "-q").Set("CONTAINERS_STORAGE_CONF=" + second).Run(t).OK(t); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestReadOnlyImages looks at images on a disk that cannot be written.
func TestReadOnlyImages(t *testing.T) {
	e := onSmallDisk(t, "64m")
	id := importSmall(t, e, "first")
	remount := func(flags uintptr) {
		if err := unix.Mount("none", e.Home, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	defer remount(0)
	e.Want(t, id[:12], "images", "-q")
	e.Want(t, "sha256:"+id, "image", "inspect", "-f", "{{.Id}}", "first")
	for _, args := range [][]string{{"rmi", "first"}, {"tag", "first", "second"}, {"pull", "127.0.0.1:1/x"}} {
		if r := e.Run(t, args...).Exits(t, 1); strings.Count(r.Err, "\n") != 1 {
			t.Errorf("want one line: %s", r)
		}
	}
	e.Cmd("import", "-", "second").Stdin(bytes.NewReader(smallRootfs(t))).Run(t).Exits(t, 1).Says(t, "read-only")
}

// TestFuseOverlayfs runs from a store that storage.conf wants mounted by
// fuse-overlayfs, with and without --rm.
func TestFuseOverlayfs(t *testing.T) {
	Need(t, Program("fuse-overlayfs", "fuse-overlayfs"), RealImages)
	e := Fresh(t, Ordinary)
	e.config(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n[storage.options.overlay]\nmount_program=\"/usr/bin/fuse-overlayfs\"\n")
	e.Load(t, Archive("alpine-3.20.3.tar"))
	e.Want(t, "fuse.fuse-overlayfs", "run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", `rm /etc/passwd && awk '$2 == "/" {print $3}' /proc/mounts`)
	name := e.Name(t)
	e.Want(t, "", "run", "--network", "none", "--name", name, "alpine:3.20", "sh", "-c", "rm /etc/motd && echo kept >/etc/new")
	e.OK(t, "rm", name)
	e.OK(t, "rmi", "alpine:3.20")
	if left := storeFiles(t, e); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestVFS runs from a store that storage.conf wants without mounts.
func TestVFS(t *testing.T) {
	Need(t, RealImages)
	e := Fresh(t, Ordinary)
	e.config(t, "storage.conf", "[storage]\ndriver=\"vfs\"\n")
	e.Load(t, Archive("alpine-3.20.3.tar"))
	e.Want(t, "Alpine Linux v3.20", "run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", ". /etc/os-release; echo $PRETTY_NAME; rm /etc/os-release")
	e.Want(t, "Alpine Linux v3.20", "run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", ". /etc/os-release; echo $PRETTY_NAME")
}
