package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/idmap"
)

// Root is where systemd and everyone else mounts cgroup v2.
const Root = "/sys/fs/cgroup"

// Mode is how control groups are mounted.
type Mode int

// The four ways a machine can be set up.
const (
	None    Mode = iota // nothing usable at /sys/fs/cgroup
	Legacy              // cgroup v1 only
	Hybrid              // v1 controllers, and a v2 tree without controllers
	Unified             // cgroup v2
)

// String is the mode in words for messages.
func (m Mode) String() string {
	return [...]string{"no control groups", "cgroup v1", "hybrid cgroup v1 and v2", "cgroup v2"}[m]
}

// Info is what this machine gives this user.
type Info struct {
	Mode Mode
	// Own is the caller's group, a path below Root in the file system.
	Own string
	// Delegated is the group below which the caller may make its own, because it
	// runs inside a unit with Delegate=yes (or is root without systemd); "" if not.
	Delegated string
	// Systemd tells whether a systemd that makes scopes for this user answers.
	Systemd bool
	// SystemdError says why Systemd is false.
	SystemdError error
	// Controllers are those a container's group would have, sorted.
	Controllers []string
}

// Groups tells whether a container would get a control group.
func (i Info) Groups() bool { return i.Delegated != "" || i.Mode == Unified && i.Systemd }

// Has tells whether a container's group would have the controller.
func (i Info) Has(controller string) bool { return slices.Contains(i.Controllers, controller) }

// Discover looks at the machine without changing anything. It asks systemd
// one question; Create does not need it.
func Discover(ctx context.Context) Info {
	m := locate()
	i := Info{Mode: m.Mode, Own: m.own, Delegated: m.delegated}
	if m.Mode != Unified {
		i.SystemdError = fmt.Errorf("%w: this machine has %s", ErrNoSystemd, m.Mode)
		return i
	}
	base, err := m.ask(ctx, &i)
	i.Systemd, i.SystemdError = err == nil, err
	if base != "" {
		i.Controllers, _ = readList(filepath.Join(base, "cgroup.controllers"))
		slices.Sort(i.Controllers)
	}
	return i
}

// ask completes i with what systemd says, and returns the group below which containers would go.
func (m machine) ask(ctx context.Context, i *Info) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, systemdTimeout)
	defer cancel()
	sd, err := connect(ctx, m.uid)
	if err != nil {
		return m.delegated, err
	}
	defer sd.conn.Close()
	if i.Delegated == "" && m.unit != "" && sd.delegates(ctx, m.unit) {
		i.Delegated = m.unit
	}
	if i.Delegated != "" {
		return i.Delegated, nil
	}
	return sd.group(ctx)
}

// machine is what can be known from files alone: about 0.1 ms.
type machine struct {
	Mode      Mode
	uid       int    // as systemd on the host counts
	own       string // the caller's group
	delegated string // where the caller may make groups
	unit      string // the group of the user's unit the caller runs in, if files say nothing of delegation
}

func locate() machine {
	m := machine{Mode: mounted(Root), uid: hostUID()}
	if m.Mode != Unified {
		return m
	}
	own, err := groupOf("self")
	if err != nil {
		return m
	}
	m.own = own
	m.delegated = m.delegatedFrom(own)
	if m.delegated == "" {
		m.unit = userUnit(own)
	}
	return m
}

// mounted tells from the file system types what is mounted at root.
func mounted(root string) Mode {
	if isType(root, unix.CGROUP2_SUPER_MAGIC) {
		return Unified
	}
	if isType(filepath.Join(root, "unified"), unix.CGROUP2_SUPER_MAGIC) {
		return Hybrid
	}
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		if isType(filepath.Join(root, e.Name()), unix.CGROUP_SUPER_MAGIC) {
			return Legacy
		}
	}
	return None
}

func isType(path string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && int64(st.Type) == magic
}

// groupOf returns the v2 group of a process ("self" or a number) as a file system path.
func groupOf(pid string) (string, error) {
	data, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return "", err
	}
	rel, err := parseGroup(string(data))
	if err != nil {
		return "", err
	}
	return filepath.Join(Root, rel), nil
}

// parseGroup finds the v2 line of /proc/PID/cgroup. A process outside the
// reader's cgroup namespace has a path beginning with "/..": nothing to work with.
func parseGroup(text string) (string, error) {
	for line := range strings.Lines(text) {
		rel, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		if !path.IsAbs(rel) || rel != path.Clean(rel) || strings.HasPrefix(rel, "/..") {
			return "", fmt.Errorf("control group %q is out of reach", rel)
		}
		return rel, nil
	}
	return "", errors.New("not in a cgroup v2 group")
}

// delegatedFrom climbs from the caller's group to the one that was delegated to it.
// Below the user's systemd everything is writable, but a unit without Delegate=yes can
// lose its controllers at any reload, so there systemd is asked instead. Elsewhere
// (a system service with User=, a machine without systemd) to own the group is
// enough, and the highest is taken. Root owns everything, so with systemd it needs the mark.
func (m machine) delegatedFrom(own string) string {
	highest := ""
	for dir := own; ; dir = filepath.Dir(dir) {
		if isUserManager(filepath.Base(dir)) {
			return ""
		}
		if writable(dir) {
			if marked(dir) {
				return dir
			}
			highest = dir
		}
		if dir == Root {
			break
		}
	}
	if m.uid == 0 && exists("/run/systemd/system") {
		return ""
	}
	return highest
}

func isUserManager(name string) bool {
	return strings.HasPrefix(name, "user@") && strings.HasSuffix(name, ".service")
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// marked reads the mark that the system's systemd puts on a unit with Delegate=yes: the "user."
// attribute since 251; the "trusted." one is older and only root may read it. A
// user's systemd marks nothing and has to be asked.
func marked(dir string) bool {
	var buf [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(dir, name, buf[:]); err == nil {
			return string(buf[:n]) == "1"
		}
	}
	return false
}

func writable(dir string) bool {
	for _, f := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if unix.Faccessat(unix.AT_FDCWD, filepath.Join(dir, f), unix.W_OK, unix.AT_EACCESS) != nil {
			return false
		}
	}
	return true
}

// userUnit returns the group of the user's service or scope that group lies in, "" for a login
// session, which is not the user's own.
func userUnit(group string) string {
	unit := ""
	for dir := group; strings.HasPrefix(dir, Root+"/"); dir = filepath.Dir(dir) {
		name := filepath.Base(dir)
		if isUserManager(name) {
			return unit
		}
		if unit == "" && (isService(name) || strings.HasSuffix(name, scopeSuffix)) {
			unit = dir
		}
	}
	return ""
}

func isService(name string) bool { return strings.HasSuffix(name, ".service") }

// hostUID is the effective user as the parent of the caller's user namespace counts, because
// the monitor is 0 in a namespace of its own.
func hostUID() int {
	maps, err := idmap.Read("/proc/self/uid_map")
	if err != nil {
		return os.Geteuid()
	}
	return translate(maps, os.Geteuid())
}

// translate looks id up in a uid_map.
func translate(maps []idmap.Range, id int) int {
	for _, r := range maps {
		if r.Holds(uint32(id)) {
			return int(r.Host) + id - int(r.Container)
		}
	}
	return id
}

// userSlice is where the user's systemd puts scopes.
func userSlice(uid int) string {
	n := strconv.Itoa(uid)
	return filepath.Join(Root, "user.slice", "user-"+n+".slice", "user@"+n+".service", "app.slice")
}
