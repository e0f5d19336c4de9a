package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// MountNS is a private mount namespace, held by a file. A nil one is the
// namespace of the tests themselves.
type MountNS struct {
	file *os.File
	name string // as /proc/PID/ns/mnt shows it
}

// newMountNS makes a private mount namespace and runs setup in it. The thread
// that unshares is never given back to other goroutines.
func newMountNS(setup func() error) (*MountNS, error) {
	var m *MountNS
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare the mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make / private: %w", err)
		}
		if err := setup(); err != nil {
			return err
		}
		file, err := os.Open("/proc/thread-self/ns/mnt")
		m = &MountNS{file, readlink("/proc/thread-self/ns/mnt")}
		return err
	})
	return m, err
}

// Do runs f on a thread in the namespace; processes started there are born in
// it. With no namespace it just runs f.
func (m *MountNS) Do(f func() error) error {
	if m == nil {
		return f()
	}
	return onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare the thread's file system: %w", err)
		}
		if err := unix.Setns(int(m.file.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter the mount namespace: %w", err)
		}
		return f()
	})
}

// start starts a command in the namespace.
func (m *MountNS) start(c *exec.Cmd) error { return m.Do(c.Start) }

// Close lets go of the namespace, which ends with its last process.
func (m *MountNS) Close() {
	if m != nil {
		m.file.Close()
	}
}

// onOwnThread runs f on a thread that ends with it, since what f does to the
// thread cannot be undone.
func onOwnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// rootPlaces are the folders that rl uses when it runs as root, by the name of
// the folder in Env.Dir that lies over each.
var rootPlaces = map[string]string{
	"var-lib-rl":         "/var/lib/rl",
	"run-rl":             "/run/rl",
	"var-lib-containers": "/var/lib/containers",
	"run-containers":     "/run/containers",
}

// rootMounts lays folders of dir over the places that root's rl uses, so that
// the machine's own containers are out of reach.
func rootMounts(dir string) (*MountNS, error) {
	return newMountNS(func() error {
		for name, place := range rootPlaces {
			own := filepath.Join(dir, name)
			if err := os.Mkdir(own, 0o700); err != nil {
				return err
			}
			if err := os.MkdirAll(place, 0o700); err != nil {
				return err
			}
			if err := unix.Mount(own, place, "", unix.MS_BIND, ""); err != nil {
				return &os.PathError{Op: "bind mount", Path: place, Err: err}
			}
		}
		return nil
	})
}

// PureCgroup2 makes, as root, a mount namespace in which /sys/fs/cgroup is a plain
// version 2 tree: crun and podman refuse to run in a hybrid one.
func PureCgroup2() (*MountNS, error) {
	return newMountNS(func() error {
		// Podman warns of a root that is not shared.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
			return fmt.Errorf("make / shared: %w", err)
		}
		if err := unix.Mount("none", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
			return &os.PathError{Op: "mount cgroup2 on", Path: "/sys/fs/cgroup", Err: err}
		}
		return nil
	})
}
