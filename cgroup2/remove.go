package cgroup2

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// groupsOf lists dir and the groups below it, children first.
func groupsOf(dir string) ([]string, error) {
	var list []string
	entries, err := os.ReadDir(dir)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below, err := groupsOf(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, below...)
	}
	return append(list, dir), nil
}

// removeTree removes a group without processes and every group below it.
func removeTree(dir string) error {
	list, err := groupsOf(dir)
	if err != nil {
		return err
	}
	for _, group := range list {
		if err := unix.Rmdir(group); err != nil && !gone(err) {
			return &os.PathError{Op: "rmdir", Path: group, Err: err}
		}
	}
	return nil
}

// processes lists the processes of dir and below. Those in other pid namespaces, which the kernel
// shows as 0, are not ours to name.
func processes(dir string) ([]int, error) {
	groups, err := groupsOf(dir)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, g := range groups {
		fields, err := readList(filepath.Join(g, "cgroup.procs"))
		if err != nil && !gone(err) {
			return nil, err
		}
		for _, f := range fields {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// killTree uses cgroup.kill, which no fork can outrun, and before kernel 5.14 a loop: freeze first
// so that nothing forks meanwhile, then a signal to each, which ends frozen processes too.
func killTree(dir string) error {
	err := write(dir, "cgroup.kill", "1")
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !exists(dir) {
		return fmt.Errorf("%w: %s", ErrGone, dir)
	}
	if err := write(dir, "cgroup.freeze", "1"); err != nil {
		return err
	}
	pids, err := processes(dir)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return write(dir, "cgroup.freeze", "0")
}
