package tree

import (
	"path"
	"slices"
)

// Match returns the paths of what is in the folder dir and matches a pattern
// for one name, in order. In what is no folder there is nothing.
func (r *Root) Match(dir, pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	folder, err := r.Folder(dir)
	if err != nil {
		return nil, nil
	}
	defer folder.Close()
	entries, err := folder.list()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if ok, _ := path.Match(pattern, e.Name()); ok {
			found = append(found, path.Join(dir, e.Name()))
		}
	}
	slices.Sort(found)
	return found, nil
}

// KeepsAny reports whether keep holds for a file, or for anything in a folder.
func (r *Root) KeepsAny(name string, keep func(string, bool) bool) bool {
	e, err := r.Stat(name)
	if err != nil || keep(name, e.IsDir()) || !e.IsDir() {
		return err == nil && keep(name, e.IsDir())
	}
	dir, err := r.Folder(name)
	if err != nil {
		return false
	}
	defer dir.Close()
	c := copier{CopyOptions: CopyOptions{Keep: keep}}
	return c.keepsAny(dir, clean(name))
}
