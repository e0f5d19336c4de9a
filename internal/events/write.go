package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Write adds events to the record, and sets the time of those without one. It
// cannot fail: what cannot be written is lost. The caller may be in any
// namespace.
func (l Log) Write(list ...Event) {
	lines := encode(list)
	f, err := l.open()
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Write(lines); err != nil {
		return
	}
	if size, err := f.Seek(0, io.SeekCurrent); err == nil && size > l.limit {
		l.rotate(f)
	}
}

// encode returns one line for each event. A line begins with an end of line:
// the one before it may have been cut off by a full disk or a killed writer.
func encode(list []Event) []byte {
	var lines []byte
	for _, e := range list {
		if e.TimeNano == 0 {
			e.TimeNano = time.Now().UnixNano()
		}
		e.Time, e.Scope = e.TimeNano/1e9, "local"
		line, err := json.Marshal(e)
		if err != nil {
			continue // strings and numbers always can be encoded
		}
		lines = append(append(append(lines, '\n'), line...), '\n')
	}
	return lines
}

// open opens the newest file. It is done for each write: a file kept open would
// have been set aside one day.
func (l Log) open() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(l.folder, newest), os.O_APPEND|os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return l.make()
	}
	return f, err
}

// make is open for when there is no file yet. It is given to the owner of the
// folder, who for real root's commands is the root of the user namespace.
func (l Log) make() (*os.File, error) {
	if err := os.Mkdir(l.folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(l.folder, newest), os.O_APPEND|os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(l.folder); err == nil {
		owner := info.Sys().(*syscall.Stat_t)
		f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return f, nil
}

// rotate sets the newest file aside, if it still is the one that was written to.
// A writer that has it open adds its line to the file under its new name.
func (l Log) rotate(written *os.File) {
	lock, err := os.OpenFile(filepath.Join(l.folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	defer lock.Close()
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return // somebody else is at it
	}
	path := filepath.Join(l.folder, newest)
	now, err := os.Stat(path)
	if err != nil {
		return
	}
	if was, err := written.Stat(); err != nil || !os.SameFile(now, was) {
		return
	}
	if os.Rename(path, filepath.Join(l.folder, fmt.Sprintf("%020d%s", time.Now().UnixNano(), ending))) == nil {
		l.dropOldest()
	}
}

func (l Log) dropOldest() {
	old := l.old()
	for _, name := range old[:max(0, len(old)-setAside)] {
		os.Remove(filepath.Join(l.folder, name))
	}
}

// old lists the files that were set aside, the oldest first.
func (l Log) old() []string {
	entries, _ := os.ReadDir(l.folder) // sorted by name
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) && e.Name() != newest {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}
