package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rl-project/rl/internal/replace"
)

// Save keeps a login. plain is the file it stands in, readable to who can read
// that file, or "" if a program keeps it.
func Save(registry string, l Login) (plain string, err error) {
	path, err := filePath()
	if err != nil {
		return "", err
	}
	f, err := read(path)
	if err != nil {
		return "", err
	}
	if name := f.helperFor(registry); name != "" {
		return "", store(name, entryKey(registry), l)
	}
	f.drop(registry)
	f.auths[entryKey(registry)] = entryOf(l)
	return path, f.write()
}

// Erase forgets the login of a registry, in all files and programs. It returns
// ErrNotLoggedIn if there was none.
func Erase(registry string) error {
	erased := false
	for _, path := range paths() {
		f, err := read(path)
		if err != nil {
			return err
		}
		if name := f.helperFor(registry); name != "" {
			if _, err := get(name, entryKey(registry)); err == nil {
				if err := erase(name, entryKey(registry)); err != nil {
					return err
				}
				erased = true
			}
		}
		if f.drop(registry) {
			if err := f.write(); err != nil {
				return err
			}
			erased = true
		}
	}
	if !erased {
		return fmt.Errorf("%w to %s", ErrNotLoggedIn, registry)
	}
	return nil
}

// drop takes a registry's entries out of the file's lists.
func (f *file) drop(registry string) (found bool) {
	for key := range f.auths {
		if host(key) == registry && !isRepository(key) {
			delete(f.auths, key)
			found = true
		}
	}
	return found
}

// write replaces the file, which only its owner may read. A link leads to what
// is replaced: people keep such files elsewhere.
func (f *file) write() error {
	auths, err := json.Marshal(f.auths)
	if err != nil {
		return err
	}
	f.whole["auths"] = auths
	data, err := json.MarshalIndent(f.whole, "", "\t")
	if err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = f.path, os.MkdirAll(filepath.Dir(f.path), 0o700)
	}
	if err == nil {
		err = replace.Durably(path, fmt.Sprintf("%s.%d", path, os.Getpid()), append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("registry credentials: %w", err)
	}
	return nil
}
