package spec

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// defaultDevices are in every container.
func defaultDevices() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
}

// CoreLinks are the symbolic links every /dev has: name, then where it leads. They are not in the value, as
// in other runtimes; /dev/console is a bind of the terminal.
func CoreLinks() [][2]string {
	return [][2]string{
		{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
		{"/dev/stderr", "/proc/self/fd/2"}, {"/dev/ptmx", "pts/ptmx"}, {"/dev/core", "/proc/kcore"},
	}
}

// deviceMounts are binds of the host's device files. They keep the host's owner and mode: a device works in the
// container when the caller may open it.
func (b *builder) deviceMounts() ([]specs.Mount, error) {
	var mounts []specs.Mount
	for _, d := range defaultDevices() {
		mounts = append(mounts, deviceMount(d, d))
	}
	if b.opts.Privileged {
		for _, d := range hostDevices("/dev") {
			mounts = append(mounts, deviceMount(d, d))
		}
	}
	for _, s := range b.opts.Devices {
		if IsCDIName(s) {
			continue // in opts.Injection
		}
		src, dst, err := ParseDevice(s)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(src); err != nil {
			return nil, fmt.Errorf("--device %s: %w", s, err)
		}
		mounts = append(mounts, deviceMount(src, dst))
	}
	return mounts, nil
}

func deviceMount(src, dst string) specs.Mount {
	return specs.Mount{Destination: dst, Type: "bind", Source: src, Options: []string{"rbind", "rprivate"}}
}

// ParseDevice reads the value of --device: HOST[:CONTAINER][:PERMISSIONS]. Permissions must include r and w:
// less cannot be enforced without root.
func ParseDevice(s string) (src, dst string, err error) {
	parts := strings.Split(s, ":")
	src, dst = parts[0], parts[0]
	perms := "rwm"
	switch {
	case len(parts) == 2 && devicePermissions(parts[1]):
		perms = parts[1]
	case len(parts) == 2:
		dst = parts[1]
	case len(parts) == 3:
		dst, perms = parts[1], parts[2]
	case len(parts) > 3:
		return "", "", fmt.Errorf("invalid device %q: write HOST[:CONTAINER][:PERMISSIONS]", s)
	}
	if !path.IsAbs(src) || !path.IsAbs(dst) {
		return "", "", fmt.Errorf("invalid device %q: paths must be absolute, such as /dev/fuse", s)
	}
	if !devicePermissions(perms) {
		return "", "", fmt.Errorf("invalid device %q: permissions are letters of rwm", s)
	}
	if !strings.Contains(perms, "r") || !strings.Contains(perms, "w") {
		return "", "", fmt.Errorf("--device %s: %w: permissions %q cannot be enforced; the file's own mode decides (say rw)",
			s, ErrNeedsRoot, perms)
	}
	return path.Clean(src), path.Clean(dst), nil
}

func devicePermissions(s string) bool {
	return s != "" && strings.Trim(s, "rwm") == ""
}

// hostDevices are the device files below dir that the caller can read, for --privileged; without those every
// container has and those of the host's consoles.
func hostDevices(dir string) []string {
	var list []string
	// What cannot be looked at cannot be given either.
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if d.IsDir() && slices.Contains([]string{"pts", "shm", "mqueue", "hugepages"}, d.Name()) {
			return fs.SkipDir
		}
		if d.Type()&fs.ModeDevice != 0 && !ownDevice(d.Name()) && unix.Access(name, unix.R_OK) == nil {
			list = append(list, name)
		}
		return nil
	})
	return list
}

// ownDevice is whether a container has something else under that name, or must not see the host's.
func ownDevice(name string) bool {
	if slices.Contains(defaultDevices(), "/dev/"+name) || name == "console" || name == "ptmx" {
		return true
	}
	number, isTTY := strings.CutPrefix(name, "tty")
	if isTTY && number != "" && number[0] >= '0' && number[0] <= '9' {
		return true
	}
	return strings.HasPrefix(name, "vcs")
}
