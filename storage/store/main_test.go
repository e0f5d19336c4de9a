package store

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.podman.io/storage/pkg/reexec"

	"github.com/rl-project/rl/storage"
)

// inNamespace is set in the copy of the test program that runs in a user
// namespace.
const inNamespace = "RL_TEST_IN_NAMESPACE"

// TestMain runs the tests where the package is meant to run: as uid 0 of a user
// namespace, in a mount namespace of its own. As an ordinary user there is one
// id, as root there are 65536.
func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	if os.Getenv(inNamespace) != "" {
		os.Exit(m.Run())
	}
	os.Exit(enter())
}

func enter() int {
	size := 1
	if os.Geteuid() == 0 {
		size = 65536
	}
	test := exec.Command("/proc/self/exe", os.Args[1:]...)
	test.Stdin, test.Stdout, test.Stderr = os.Stdin, os.Stdout, os.Stderr
	test.Env = append(os.Environ(), inNamespace+"=1",
		"_CONTAINERS_USERNS_CONFIGURED=done", fmt.Sprintf("_CONTAINERS_ROOTLESS_UID=%d", os.Geteuid()))
	test.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: size}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: size}},
	}
	if err := test.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in a user namespace:", err)
		return 1
	}
	return 0
}

// newStore opens a new store of the test's own.
func newStore(t *testing.T) *Store {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver=\"overlay\"\ngraphroot=%q\nrunroot=%q\n", filepath.Join(dir, "graph"), filepath.Join(dir, "run"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	s := openStore(t, filepath.Join(dir, "data"))
	t.Cleanup(func() {
		if _, err := s.store.Shutdown(true); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openStore(t *testing.T, data string) *Store {
	t.Helper()
	s, err := Open(Options{Data: data, Runtime: filepath.Join(data, "run"), UID: 1, Warn: func(line string) { t.Log("warning:", line) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// entry is a member of a tar.
type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}, content}
}

func symlink(name, target string) entry {
	return entry{Header: tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}}
}

func hardlink(name, target string) entry {
	return entry{Header: tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink}}
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// importImage stores a small image under a name.
func importImage(t *testing.T, s *Store, name string, changes ...string) string {
	t.Helper()
	rootfs := makeTar(t, file("bin/"+strings.ReplaceAll(name, "/", "_"), name))
	id, err := s.Import(context.Background(), bytes.NewReader(rootfs), ImportOptions{Name: name, Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// lookup is storage.Lookup of an image that was just resolved.
func lookup(t *testing.T, s *Store, ref string) *storage.Image {
	t.Helper()
	if err := s.Resolve(context.Background(), ref, ResolveOptions{When: PullNever}); err != nil {
		t.Fatal(err)
	}
	img, err := storage.Lookup(s.options.Data, ref, "")
	if err != nil {
		t.Fatal(err)
	}
	return img
}
