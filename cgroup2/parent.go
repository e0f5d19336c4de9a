package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// parentMark is on folders that were made as the parents of groups, so that those a person made stay.
const parentMark = "user.rl.parent"

// belowParent makes a container's group below the delegated one, in the folder that parent names.
func belowParent(ctx context.Context, delegated, parent, name string) (*Group, error) {
	dirs, err := parentDirs(delegated, parent)
	if err != nil {
		return nil, err
	}
	dirs = append([]string{delegated}, dirs...)
	// The last container in a folder that is shared may take it away in between.
	for {
		err := makeParents(dirs)
		var g *Group
		if err == nil {
			g, err = below(ctx, dirs[len(dirs)-1], name)
		}
		if !gone(err) || ctx.Err() != nil || !exists(delegated) {
			return g, err
		}
	}
}

// makeParents makes the folders after the first that are missing, each in the one before.
func makeParents(dirs []string) error {
	for i, dir := range dirs[1:] {
		if err := enable(dirs[i]); err != nil {
			return err
		}
		if err := makeParent(dir); err != nil {
			return err
		}
	}
	return nil
}

// parentDirs lists the folders from the delegated group to the parent, which is a path below it or, beginning
// with a slash, in the machine's tree.
func parentDirs(delegated, parent string) ([]string, error) {
	if parent == "" {
		return nil, nil
	}
	target := filepath.Join(delegated, parent)
	if path.IsAbs(parent) {
		target = filepath.Join(Root, parent)
	}
	rest, ok := strings.CutPrefix(target, delegated+"/")
	if !ok || strings.Contains("/"+parent+"/", "/../") {
		return nil, fmt.Errorf("%w: %q is not below %s, which is what you may use", ErrParent, parent, delegated)
	}
	dirs, dir := []string{}, delegated
	for name := range strings.SplitSeq(rest, "/") {
		if strings.HasPrefix(name, prefix) || name == supervisorName {
			return nil, fmt.Errorf("%w: %q: %s is the name of a group of rl's own", ErrParent, parent, name)
		}
		dir = filepath.Join(dir, name)
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// makeParent makes a folder for groups and marks it; one that is there stays as it is.
func makeParent(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParent, err)
	}
	return os.NewSyscallError("setxattr", unix.Setxattr(dir, parentMark, []byte("1"), 0))
}

func isParent(dir string) bool {
	var buf [1]byte
	_, err := unix.Getxattr(dir, parentMark, buf[:])
	return err == nil
}

// removeParents removes the folders that were made for a group which is gone. The kernel keeps those in
// which another group is.
func removeParents(group string) {
	for dir := filepath.Dir(group); isParent(dir) && unix.Rmdir(dir) == nil; {
		dir = filepath.Dir(dir)
	}
}

// validSlice is whether name can be that of a slice of systemd's.
func validSlice(name string) bool {
	stem, ok := strings.CutSuffix(name, ".slice")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
	return ok && strings.Trim(stem, letters) == "" && stem != "" && !strings.HasPrefix(stem, "-") &&
		!strings.HasSuffix(stem, "-") && !strings.Contains(stem, "--")
}

func notSlice(parent string) error {
	return fmt.Errorf("%w %q: systemd makes the group here: name a slice, such as jobs.slice", ErrParent, parent)
}

// noParent says why there is no group to put into parent.
func noParent(m machine, parent string, cause error) error {
	if m.Mode != Unified {
		return fmt.Errorf("%w %q: this machine has %s, and only cgroup v2 is delegated to users", ErrParent, parent, m.Mode)
	}
	if errors.Is(cause, ErrParent) {
		return cause
	}
	return fmt.Errorf("%w %q: %w", ErrParent, parent, cause)
}
