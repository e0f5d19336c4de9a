package cgroup2

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// write writes a control file in one system call; the kernel takes each write as one order.
func write(dir, file, value string) error {
	path := filepath.Join(dir, file)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return &os.PathError{Op: fmt.Sprintf("write %q to", value), Path: path, Err: err}
	}
	return nil
}

// read returns a control file without the newline at its end.
func read(dir, file string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, file))
	if gone(err) {
		return "", fmt.Errorf("%w: %s", ErrGone, dir)
	}
	return strings.TrimSuffix(string(data), "\n"), err
}

// gone recognises a group that was removed before or after its file was opened.
func gone(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) }

func readList(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	return strings.Fields(string(data)), err
}

// readKeyed reads a flat keyed file such as memory.events.
func readKeyed(dir, file string) (map[string]uint64, error) {
	text, err := read(dir, file)
	if err != nil {
		return nil, err
	}
	return parseKeyed(text), nil
}

// parseKeyed takes lines of a name and a number; others are none of ours.
func parseKeyed(text string) map[string]uint64 {
	values := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			values[key] = n
		}
	}
	return values
}

func addProcess(dir string, pid int) error {
	if pid <= 0 {
		return fmt.Errorf("cannot move process %d to %s", pid, dir)
	}
	return write(dir, "cgroup.procs", strconv.Itoa(pid))
}

// enable hands every controller of dir on to its children. Where dir has processes
// itself the kernel answers EBUSY; they move to a child first.
func enable(dir string) error {
	want, err := notEnabled(dir)
	if err != nil || want == "" {
		return err
	}
	err = write(dir, "cgroup.subtree_control", want)
	for errors.Is(err, unix.EBUSY) {
		// A process may fork while its group is emptied, so the order is repeated until
		// a pass finds nobody: only then is EBUSY somebody else's doing.
		moved, evacuateErr := evacuate(dir)
		if evacuateErr != nil {
			return evacuateErr
		}
		err = write(dir, "cgroup.subtree_control", want)
		if moved == 0 {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("hand controllers on: %w", err)
	}
	return nil
}

// notEnabled lists the controllers dir has and its children have not, as the kernel wants it written.
func notEnabled(dir string) (string, error) {
	have, err := readList(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return "", err
	}
	enabled, err := readList(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return "", err
	}
	on := map[string]bool{}
	for _, name := range enabled {
		on[name] = true
	}
	var orders []string
	for _, name := range have {
		if !on[name] && managed[name] {
			orders = append(orders, "+"+name)
		}
	}
	return strings.Join(orders, " "), nil
}

// managed are the controllers that limits need. Others stay off: each costs the kernel time.
var managed = map[string]bool{"cpu": true, "cpuset": true, "io": true, "memory": true, "pids": true}

// evacuate moves the processes of dir itself into its supervisor group and counts them.
func evacuate(dir string) (int, error) {
	supervisor := filepath.Join(dir, supervisorName)
	if err := os.Mkdir(supervisor, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return 0, err
	}
	pids, err := readList(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		err := write(supervisor, "cgroup.procs", pid)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, fmt.Errorf("move the unit's process %s aside: %w", pid, err)
		}
	}
	return len(pids), nil
}
