package tree

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// mostLinks is how many symbolic links a path may lead through, as for the
// kernel (path_resolution(7)).
const mostLinks = 40

// Resolve returns the path of what name leads to, without symbolic links, as
// they stand at the moment. What of it does not exist is kept as it is.
func (r *Root) Resolve(name string) (string, error) {
	return resolve(name, func(name string) (Entry, *Root, error) {
		e, err := r.Lstat(name)
		return e, r, err
	})
}

// resolve follows the links of name; lstat tells of a path without links, and in
// which folder it was found.
func resolve(name string, lstat func(string) (Entry, *Root, error)) (string, error) {
	done, todo := "", strings.Split(clean(name), "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimPrefix(path.Dir("/"+done), "/")
			continue
		}
		next := path.Join(done, part)
		e, in, err := lstat(next)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return path.Join(append([]string{next}, todo...)...), nil
		}
		if err != nil {
			return "", err
		}
		if e.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
			done = next
			continue
		}
		if links++; links > mostLinks {
			return "", pathError("open", name, unix.ELOOP)
		}
		target, err := in.linkTarget(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done = ""
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

// linkTarget reads the symbolic link at name.
func (r *Root) linkTarget(name string) (string, error) {
	above, err := r.Folder(path.Dir(name))
	if err != nil {
		return "", err
	}
	defer above.Close()
	return above.readLink(path.Base(name))
}
