package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/logs"
)

// RemoveOptions say how a container is removed.
type RemoveOptions struct {
	Force   bool // kill it first if it runs
	Volumes bool // remove its anonymous volumes, too
}

// Remove removes a container. The caller is in the user namespace. A running
// one fails with ErrRunning, unless o.Force is set: then it is killed first.
// Where the disk is full it works all the same: nothing is written.
func (s Store) Remove(ctx context.Context, id string, o RemoveOptions) error {
	force := o.Force
	lock, err := s.lock(id)
	for force && errors.Is(err, ErrRunning) {
		// A monitor that has only begun to start it cannot be asked yet.
		if err := s.kill(ctx, id); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
		lock, err = s.lock(id)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody else, or --rm, was faster
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	v, err := s.Load(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if v.State.live() && !force {
		return ErrRunning
	}
	if err := s.killOrphan(ctx, v.State); err != nil {
		return err
	}
	if err := s.discard(v.Container); err != nil {
		return err
	}
	if o.Volumes {
		s.removeAnonymous(v.Container)
	}
	s.Record(v.Container, "destroy")
	return nil
}

// readersTime is how long a removal waits for a `logs -f` that has not opened
// the newest file of the log yet. That takes it a moment, unless it is stopped.
const readersTime = time.Second

// discard takes a container away, whose lock the caller has.
func (s Store) discard(c Container) error {
	if err := s.hide(c); err != nil {
		return err
	}
	return s.purge(c)
}

// hide takes a container out of sight by one rename, and frees its name. Killed
// in between, the name counts as free; killed afterwards, the rest is in the
// trash.
func (s Store) hide(c Container) error {
	logs.AwaitReaders(s.LogPath(c.ID), readersTime)
	err := os.Rename(s.Folder(c.ID), filepath.Join(s.trash(), c.ID))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	name := filepath.Join(s.names(), c.Name)
	if target, err := os.Readlink(name); err == nil && filepath.Base(target) == c.ID {
		os.Remove(name)
	}
	os.Remove(s.healthPath(c.ID))
	os.Remove(s.spillPath(c.ID))
	return nil
}

// purge deletes what hide has put aside. The claim on the image goes when there is
// room for the list without it, and the description last: it tells of the claim.
func (s Store) purge(c Container) error {
	place := filepath.Join(s.trash(), c.ID)
	failed := emptyBut(place, "config.json")
	if c.RootFS.ID != "" {
		err := c.RootFS.Store.Release(c.ID)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return failed // until Sweep finds room; a claim whose container is gone counts for nothing
		}
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, os.RemoveAll(place))
}

// emptyBut removes what is in a folder except for one file.
func emptyBut(dir, kept string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // another process purges it, or it is no folder
	}
	var failed error
	for _, e := range entries {
		if e.Name() != kept {
			failed = errors.Join(failed, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return failed
}

// discarded is a container in the trash, as far as it is still known.
func (s Store) discarded(name string) Container {
	var c Container
	if err := s.readJSON(filepath.Join(s.trash(), name, "config.json"), &c); err != nil {
		c = Container{}
	}
	c.ID = name
	return c
}

// kill ends a running container by its monitor, or without it.
func (s Store) kill(ctx context.Context, id string) error {
	at := time.Duration(0)
	err := s.Stop(ctx, id, unix.SIGKILL, &at)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	return err
}

// killOrphan ends what a killed monitor may have left: processes and the cgroup.
func (s Store) killOrphan(ctx context.Context, st State) error {
	if st.Boot != process.Boot() {
		return nil
	}
	if err := killAndWait(ctx, st.Init); err != nil {
		return err
	}
	if st.Cgroup == "" {
		return nil
	}
	group, err := cgroup2.Open(st.Cgroup)
	if errors.Is(err, cgroup2.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer group.Close()
	if err := group.Kill(); err != nil && !errors.Is(err, cgroup2.ErrGone) {
		return err
	}
	return group.Remove(ctx)
}

// killAndWait kills a process that is not a child and returns when it is gone, with
// all of its threads.
func killAndWait(ctx context.Context, p process.ID) error {
	if p.PID == 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	// Nonblocking descriptors are polled by the runtime: no thread waits.
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	if !p.Known() { // the id is another process's by now
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return waitReadable(ctx, fd)
}

// pause waits a moment for what another process is about to do.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// waitReadable waits until fd is readable, as a pidfd is when its process ends.
func waitReadable(ctx context.Context, fd int) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 100)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Sweep removes what killed processes of rl left behind: containers half made
// or half removed, sockets and control groups of containers that are not
// running. It is quick when there is nothing.
func (s Store) Sweep(ctx context.Context) error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		if _, err := os.Stat(s.file(id, "config.json")); errors.Is(err, os.ErrNotExist) {
			failed = append(failed, s.sweepFolder(id))
		}
	}
	leftovers, _ := os.ReadDir(s.trash())
	for _, e := range leftovers {
		failed = append(failed, s.purge(s.discarded(e.Name())))
	}
	failed = append(failed, s.sweepNames())
	sockets, _ := os.ReadDir(s.sockets())
	for _, e := range sockets {
		// That of a stopped container is replaced at its next start, which may
		// be now.
		beginning, _, _ := strings.Cut(e.Name(), ".")
		if matches, _ := filepath.Glob(s.Folder(beginning) + "*"); len(matches) == 0 {
			os.Remove(filepath.Join(s.sockets(), e.Name()))
		}
	}
	return errors.Join(append(failed, cgroup2.Sweep(ctx, s.running))...)
}

// sweepNames frees the names of containers that are gone.
func (s Store) sweepNames() error {
	names, err := os.ReadDir(s.names())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	failed := []error{err}
	for _, e := range names {
		owner, err := os.Readlink(filepath.Join(s.names(), e.Name()))
		if err == nil && !s.taken(filepath.Base(owner)) {
			failed = append(failed, s.dropName(e.Name()))
		}
	}
	return errors.Join(failed...)
}

// running reports whether a container, named by the beginning of its id, has a
// monitor or processes.
func (s Store) running(beginning string) bool {
	matches, _ := filepath.Glob(s.Folder(beginning) + "*")
	for _, path := range matches {
		id := filepath.Base(path)
		if v, err := s.Load(id); s.locked(id) || err == nil && v.State.live() {
			return true
		}
	}
	return false
}

// sweepFolder removes a container's folder that has no description, unless
// its maker is still at work.
func (s Store) sweepFolder(id string) error {
	if _, err := os.Stat(s.file(id, "lock")); errors.Is(err, os.ErrNotExist) {
		os.Remove(s.Folder(id)) // only an empty one; a maker tries again
		return nil
	}
	lock, err := s.lock(id)
	if err != nil {
		return nil
	}
	defer lock.Close()
	if _, err := os.Stat(s.file(id, "config.json")); err == nil {
		return nil
	}
	return s.discard(Container{ID: id})
}
