package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// damaged returns what is known of a container whose description or state cannot
// be read as what rl writes, which a power cut may have taken half of. The error
// is cause where it is not the files' fault.
func (s Store) damaged(id string, cause error) (View, error) {
	errno := syscall.Errno(0)
	if errors.Is(cause, os.ErrNotExist) || errors.As(cause, &errno) {
		return View{}, cause
	}
	v := View{Container: Container{ID: id, Name: s.nameOf(id)}, Status: Dead}
	if info, err := os.Stat(s.Folder(id)); err == nil {
		v.Created = info.ModTime()
	}
	v.State.Error = cause.Error()
	return v, fmt.Errorf("%w: %s (%w): all that can be done is rl rm %.12s", ErrDamaged, v.Name, cause, id)
}

// nameOf is the name that leads to a container, or the beginning of its id.
func (s Store) nameOf(id string) string {
	entries, _ := os.ReadDir(s.names())
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(s.names(), e.Name())); err == nil && filepath.Base(target) == id {
			return e.Name()
		}
	}
	return id[:min(12, len(id))]
}
