package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Env is one installation of rl: an account with a home and a run-time folder
// that no other Env shares, so that its containers and images are its own.
type Env struct {
	Account Account
	// Dir holds everything of the installation; Home, Runtime and Prog lie in it.
	Dir string
	// Home is $HOME of the commands.
	Home string
	// Runtime is $XDG_RUNTIME_DIR of the commands.
	Runtime string
	// Prog is the program under test, reached by a path of this Env's own: it
	// tells this Env's processes from others of the same account.
	Prog string

	installed string // a folder that comes first in PATH, or ""
	mounts    *MountNS
	ownMounts []string        // places that the test itself mounted
	groups    map[string]bool // control groups of containers, of anybody, seen at the start
	names     atomic.Int64

	usernsMu sync.Mutex
	userns   map[string]*os.File // user namespaces seen to belong to it
}

// Each runs f in the shared installations: as an ordinary user, and as root
// when the tests run as root.
func Each(t *testing.T, f func(t *testing.T, e *Env)) {
	t.Helper()
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		f(t, AsUser(t))
	})
	if os.Geteuid() != 0 {
		return
	}
	t.Run("root", func(t *testing.T) {
		t.Parallel()
		f(t, AsRoot(t))
	})
}

// AsUser is the shared installation of an ordinary user, with Image loaded.
func AsUser(t testing.TB) *Env {
	t.Helper()
	return sharedUser.get(t, Ordinary)
}

// AsRoot is the shared installation of root, with Image loaded.
func AsRoot(t testing.TB) *Env {
	t.Helper()
	Need(t, Superuser)
	return sharedRoot.get(t, current)
}

// Fresh is an installation of t's own, without any image. At the end of t its
// containers are removed, and anything else that is left fails the test.
func Fresh(t testing.TB, who func() (Account, error)) *Env {
	t.Helper()
	a, err := who()
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEnv(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, l := range e.Close() {
			t.Error("left behind:", l)
		}
	})
	return e
}

// RootAccount is for Fresh: the superuser. The test must Need(Superuser).
func RootAccount() (Account, error) {
	if os.Geteuid() != 0 {
		return Account{}, errors.New("the tests do not run as root")
	}
	return current()
}

// shared is an installation that many tests use, made for the first of them.
type shared struct {
	mu  sync.Mutex
	env *Env
	err error
}

var sharedUser, sharedRoot shared

func (s *shared) get(t testing.TB, who func() (Account, error)) *Env {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.env == nil && s.err == nil {
		s.env, s.err = newLoaded(who)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.env
}

func newLoaded(who func() (Account, error)) (*Env, error) {
	a, err := who()
	if err != nil {
		return nil, err
	}
	e, err := NewEnv(a)
	if err != nil {
		return nil, err
	}
	return e, e.Preload()
}

// closeShared removes the shared installations and returns what their tests
// left behind.
func closeShared() []string {
	var leaks []string
	for _, s := range []*shared{&sharedUser, &sharedRoot} {
		if s.env != nil {
			leaks = append(leaks, s.env.Close()...)
		}
	}
	return leaks
}

// newEnv makes an installation below /var/tmp: overlay needs a file system
// with user.* attributes, which older kernels do not have on tmpfs, and the
// paths of sockets must stay short.
func NewEnv(a Account) (*Env, error) {
	bin, err := Bin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/var/tmp", "rlt")
	if err != nil {
		return nil, err
	}
	e := &Env{
		Account: a,
		Dir:     dir,
		Home:    filepath.Join(dir, "home"),
		Runtime: filepath.Join(dir, "run"),
		Prog:    filepath.Join(dir, "rl"),
		groups:  containerGroups(),
	}
	if err := e.makeDirs(); err != nil {
		return nil, err
	}
	if err := linkOrCopy(bin, e.Prog); err != nil {
		return nil, err
	}
	if a.Root() {
		e.mounts, err = rootMounts(dir)
	}
	return e, err
}

func (e *Env) makeDirs() error {
	if err := os.Chmod(e.Dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{e.Home, e.Runtime} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
		if err := os.Chown(d, e.Account.UID, e.Account.GID); err != nil {
			return err
		}
	}
	return nil
}

// linkOrCopy puts the program at a second path; a hard link is enough to give
// /proc/PID/exe that path. It copies in small pieces, as people's tools do: what is
// written by one call has huge pages in the page cache, all of which counts as the
// memory of who touches a byte of one.
func linkOrCopy(from, to string) (err error) {
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	_, err = io.Copy(dst, src)
	return err
}

// Vars is the environment of the Env's commands: a login's, not the test's.
func (e *Env) Vars() []string {
	return []string{
		"HOME=" + e.Home,
		"USER=" + e.Account.Name,
		"LOGNAME=" + e.Account.Name,
		"SHELL=/bin/sh",
		"PATH=" + e.path(),
		"XDG_RUNTIME_DIR=" + e.Runtime,
		"TERM=xterm",
		"LANG=C.UTF-8",
	}
}

func (e *Env) path() string {
	const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if e.installed == "" {
		return usual
	}
	return e.installed + ":" + usual
}

// Data is the folder in which rl keeps its containers in this Env.
func (e *Env) Data() string {
	if e.Account.Root() {
		return filepath.Join(e.Dir, "var-lib-rl")
	}
	return filepath.Join(e.Home, ".local", "share", "rl")
}

// File writes a file that the Env's account owns and returns its path.
func (e *Env) File(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(e.Home, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	e.own(t, path)
	return path
}

// Folder makes a folder that the Env's account owns and returns its path. Its
// containers can write there, also root's, whose ids are others than root.
func (e *Env) Folder(t testing.TB) string {
	t.Helper()
	path, err := os.MkdirTemp(e.Home, "dir")
	if err != nil {
		t.Fatal(err)
	}
	e.own(t, path)
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

func (e *Env) own(t testing.TB, path string) {
	t.Helper()
	if err := os.Chown(path, e.Account.UID, e.Account.GID); err != nil {
		t.Fatal(err)
	}
}

// Name is a container name that belongs to the test alone; the container is
// removed when the test ends.
func (e *Env) Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d", e.names.Add(1))
	t.Cleanup(func() { e.Cmd("rm", "-f", name).Run(t) })
	return name
}
