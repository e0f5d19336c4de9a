package integration

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// onSmallDisk is an installation of an ordinary user whose home is a file
// system of its own with the given size.
func onSmallDisk(t *testing.T, size string) *Env {
	t.Helper()
	Need(t, Superuser)
	e := Fresh(t, Ordinary)
	if err := unix.Mount("none", e.Home, "tmpfs", 0, "mode=700,size="+size); err != nil {
		t.Fatal(err)
	}
	e.ownMounts = append(e.ownMounts, e.Home)
	e.own(t, e.Home)
	return e
}

// fill leaves no byte of the home's file system free and returns the file that
// has them all.
func (e *Env) fill(t *testing.T) string {
	t.Helper()
	path := filepath.Join(e.Home, "fill")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return path
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// An image that does not fit is refused in one line and leaves nothing.
func TestDiskFullAtLoad(t *testing.T) {
	Need(t, RealImages)
	e := onSmallDisk(t, "64m") // the program for images, and not much more
	e.Run(t, "images")
	filled := leave(t, e, 4<<20)
	alpine, err := os.Open(Archive("alpine-3.20.3.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer alpine.Close()
	r := e.Cmd("load").Stdin(alpine).Run(t).Exits(t, 1).Says(t, "no space left")
	if lines(r.Err) != 1 {
		t.Errorf("want one line: %s", r)
	}
	e.Want(t, "", "images", "-q")
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.Load(t, Archive("alpine-3.20.3.tar"))
	e.OK(t, "run", "--rm", "alpine:3.20", "true")
}

// leave fills the disk but for some bytes, and returns the file that fills it.
func leave(t *testing.T, e *Env, bytes int64) string {
	t.Helper()
	filled := e.fill(t)
	info, err := os.Stat(filled)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filled, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
	return filled
}

// With no space left everything can be looked at and removed; what needs space
// says so.
func TestDiskFull(t *testing.T) {
	e := onSmallDisk(t, "128m")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	running, ended := e.Name(t), e.Name(t)
	e.ready(t, running)
	e.OK(t, "run", "--name", ended, Image, "true")
	filled := e.fill(t)

	e.Run(t, "run", "--rm", Image, "true").Exits(t, 125).Says(t, "no space left")
	e.OK(t, "ps", "-a")
	e.OK(t, "inspect", running)
	e.OK(t, "logs", running)
	e.OK(t, "images")
	e.OK(t, "exec", running, "true")
	e.OK(t, "stop", "-t", "0", running)
	e.OK(t, "rm", running, ended)
	e.Want(t, "", "ps", "-aq")

	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "run", "--rm", Image, "true")
}

// On a disk that became read-only, reading goes on.
func TestDiskReadOnly(t *testing.T) {
	e := onSmallDisk(t, "128m")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := e.Name(t)
	e.OK(t, "run", "--network", "none", "--name", name, Image, "echo", "kept")
	remount := func(flags uintptr) {
		if err := unix.Mount("none", e.Home, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	defer remount(0)
	e.Run(t, "run", "--rm", Image, "true").Exits(t, 125).Says(t, "read-only")
	e.OK(t, "ps", "-a")
	e.OK(t, "inspect", name)
	e.OK(t, "volume", "ls")
	e.OK(t, "events", "--until", "now")
	e.Want(t, "kept", "logs", name)
}

// A volume that does not fit the disk is not filled by half, and with no space
// left volumes and containers can be pruned.
func TestDiskFullVolumes(t *testing.T) {
	e := onSmallDisk(t, "128m")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "run", "--name", "ended", "--network", "none", "-v", "data:/data", "-v", "/anonymous", Image, "sh", "-c", "echo x >/data/x")
	filled := leave(t, e, 300<<10)
	e.Run(t, "run", "--rm", "--network", "none", "-v", "large:/bin", Image, "true").Exits(t, 125).Says(t, "no space left")
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.Want(t, "whole", "run", "--rm", "--network", "none", "-v", "large:/bin", Image, "echo", "whole")

	filled = e.fill(t)
	e.OK(t, "volume", "ls")
	e.OK(t, "volume", "inspect", "data", "large")
	e.OK(t, "events", "--until", "now")
	e.OK(t, "container", "prune", "-f")
	e.OK(t, "volume", "rm", "large")
	e.OK(t, "volume", "prune", "-af")
	e.Want(t, "", "volume", "ls", "-q")
	e.Want(t, "", "ps", "-aq")
	if _, err := os.Stat(filled); err != nil {
		t.Fatal(err)
	}
}
