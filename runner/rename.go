package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Rename gives a container, running or not, another name. The caller is in the
// user namespace.
func (s Store) Rename(ctx context.Context, id, name string) error {
	if err := ValidName(name); err != nil {
		return err
	}
	return s.change(ctx, Request{Op: OpRename, ID: id, Name: name}, nil, func(v View) error {
		return s.rename(&v.Container, name)
	})
}

// change has a running container's monitor carry out a request, and calls
// stopped for one that does not run, whose lock is held meanwhile. The monitor's
// notes for the person are put into notes, unless that is nil.
func (s Store) change(ctx context.Context, r Request, notes *[]string, stopped func(View) error) error {
	for {
		lock, err := s.lock(r.ID)
		if err == nil {
			defer lock.Close()
			v, err := s.Load(r.ID)
			if err != nil {
				return err
			}
			return stopped(v)
		}
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: %.12s", ErrNotFound, r.ID)
		}
		if !errors.Is(err, ErrRunning) {
			return err
		}
		// A monitor that has only begun, or is about to end, cannot be asked.
		reply, err := s.tell(ctx, r)
		if notes != nil {
			*notes = reply.Notes
		}
		if !errors.Is(err, ErrNotRunning) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// rename moves the name's link, which is one step for everybody else, between
// two versions of the description: the first says which name is about to come,
// so that a reader, also after a kill in between, knows to look which link there
// is. The caller alone may change the container.
func (s Store) rename(c *Container, name string) error {
	old := c.Name
	if old == name {
		return fmt.Errorf("%s has that name already", name)
	}
	c.Renaming = name
	if err := s.saveContainer(*c); err != nil {
		return err
	}
	moved := s.moveName(old, name, c.ID)
	if moved == nil {
		c.Name = name
	}
	c.Renaming = ""
	if err := errors.Join(moved, s.saveContainer(*c)); err != nil {
		return err
	}
	s.Record(*c, "rename", "oldName", "/"+old)
	return nil
}

// moveName makes name mean what old does. Where name has a container, nothing
// changes.
func (s Store) moveName(old, name, id string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(s.names(), old), unix.AT_FDCWD, filepath.Join(s.names(), name), unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.ENOENT) { // somebody has taken the link away
			return s.takeName(name, id)
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		if err := s.nameFree(name); err != nil {
			return err
		}
		if err := s.dropName(name); err != nil {
			return err
		}
	}
}

// settleName decides what a container is called that was killed while it was
// renamed.
func (s Store) settleName(c *Container) {
	if c.Renaming == "" {
		return
	}
	if target, err := os.Readlink(filepath.Join(s.names(), c.Renaming)); err == nil && filepath.Base(target) == c.ID {
		c.Name = c.Renaming
	}
	c.Renaming = ""
}

// renameRunning is rename by the monitor of a running container.
func (m *monitor) renameRunning(name string) Reply {
	m.changing.Lock()
	defer m.changing.Unlock()
	err := m.store.rename(&m.Container, name)
	if err == nil && m.network != nil {
		err = m.network.Rename(context.Background(), m.ID, name)
	}
	return answer(m.ID, err)
}
