package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// dockerCaps are the capabilities that Docker gives a container: CHOWN,
// DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
// NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
const (
	dockerCaps = "00000000a80425fb"
	noCaps     = "0000000000000000"
)

// live is a running container as the host sees it in /proc.
type live struct {
	pid    int
	status map[string]string
}

func inspectLive(t *testing.T, e *Env, name string) live {
	t.Helper()
	pid, err := strconv.Atoi(e.OK(t, "inspect", "-f", "{{.State.Pid}}", name))
	if err != nil || pid <= 1 {
		t.Fatalf("State.Pid: %d, %v", pid, err)
	}
	return readLive(t, pid)
}

func readLive(t *testing.T, pid int) live {
	t.Helper()
	l := live{pid, map[string]string{}}
	for line := range strings.Lines(l.read(t, "status")) {
		key, value, _ := strings.Cut(line, ":")
		l.status[key] = strings.TrimSpace(value)
	}
	return l
}

func (l live) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (l live) wantStatus(t *testing.T, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := l.status[key]; got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
}

func TestPosture(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sleep", "1000")
		l := inspectLive(t, e, name)
		l.wantStatus(t, map[string]string{
			"CapInh": noCaps, "CapPrm": dockerCaps, "CapEff": dockerCaps, "CapBnd": dockerCaps, "CapAmb": noCaps,
			"NoNewPrivs": "0", "Seccomp": "2", "Seccomp_filters": "1",
			"SigIgn": noCaps, "Umask": "0022", "TracerPid": "0",
		})
		checkMaps(t, e, l)
		checkNamespaces(t, l)
		checkFiles(t, l)
		checkEnvironment(t, l)
		checkLimits(t, l)
	})
}

// checkMaps: container root is never host root, and an ordinary user's
// container root is that user.
func checkMaps(t *testing.T, e *Env, l live) {
	for _, name := range []string{"uid_map", "gid_map"} {
		text := l.read(t, name)
		var inside, outside, count int
		if _, err := fmt.Sscan(text, &inside, &outside, &count); err != nil {
			t.Fatalf("%s: %v: %q", name, err, text)
		}
		own := map[string]int{"uid_map": e.Account.UID, "gid_map": e.Account.GID}[name]
		if inside != 0 || (e.Account.Root() && outside == 0) || (!e.Account.Root() && outside != own) {
			t.Errorf("%s of an account with id %d: %q", name, own, text)
		}
	}
}

func checkNamespaces(t *testing.T, l live) {
	for _, ns := range []string{"user", "mnt", "pid", "uts", "ipc", "net", "cgroup"} {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", l.pid, ns))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		if theirs == ours {
			t.Errorf("the %s namespace is the host's", ns)
		}
	}
}

// checkFiles: standard input, output and error, and nothing else.
func checkFiles(t *testing.T, l live) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", l.pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		switch fd := filepath.Base(link); fd {
		case "0", "1", "2":
			if target != "/dev/null" && !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "/dev/pts/") {
				t.Errorf("fd %s is %s", fd, target)
			}
		default:
			t.Errorf("fd %s is open: %s", fd, target)
		}
	}
}

func checkEnvironment(t *testing.T, l live) {
	for pair := range strings.SplitSeq(strings.TrimRight(l.read(t, "environ"), "\x00"), "\x00") {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.Contains([]string{"PATH", "HOSTNAME", "HOME", "container"}, name) {
			t.Errorf("%s is in the environment", pair)
		}
	}
}

// checkLimits: those of the caller, as the kernel counts them.
func checkLimits(t *testing.T, l live) {
	ours, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	theirs := limits(l.read(t, "limits"))
	for name, want := range limits(string(ours)) {
		if name == "Max open files" { // Go raises its own soft limit
			want[0] = theirs[name][0]
		}
		if got := theirs[name]; got != want {
			t.Errorf("%s: %v, want the caller's %v", name, got, want)
		}
	}
}

// limits reads /proc/PID/limits: the soft and the hard limit by name.
func limits(text string) map[string][2]string {
	found := map[string][2]string{}
	for line := range strings.Lines(text) {
		if len(line) < 67 || !strings.HasPrefix(line, "Max ") {
			continue
		}
		found[strings.TrimSpace(line[:26])] = [2]string{strings.TrimSpace(line[26:47]), strings.TrimSpace(line[47:68])}
	}
	return found
}

// Files that are open in the caller stay outside, for run and for exec.
func TestNoLeakedFiles(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		secret, err := os.Open(e.File(t, "secret", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		defer secret.Close()
		// ls opens the folder itself as the next free number.
		const want = "0\n1\n2\n3"
		name := e.Name(t)
		for _, args := range [][]string{
			{"run", "--rm", Image, "ls", "/proc/self/fd"},
			{"run", "--rm", "-i", Image, "ls", "/proc/self/fd"},
			{"run", "-d", "--name", name, Image, "sleep", "1000"},
			{"exec", name, "ls", "/proc/self/fd"},
			{"exec", "-i", name, "ls", "/proc/self/fd"},
		} {
			got := e.Cmd(args...).Files(secret, secret).Run(t).OK(t)
			if !slices.Contains(args, "-d") && got != want {
				t.Errorf("rl %s: open files %q", strings.Join(args, " "), got)
			}
		}
		checkFiles(t, inspectLive(t, e, name))
	})
}

func TestExecPosture(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		grep := []string{"grep", "-E", "^(Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk)", "/proc/self/status"}
		inner := e.OK(t, append([]string{"exec", name}, grep...)...)
		outer := e.OK(t, append([]string{"run", "--rm", Image}, grep...)...)
		if inner != outer {
			t.Errorf("exec has\n%s\nrun has\n%s", inner, outer)
		}
		e.OK(t, "exec", name, "sh", "-c", `for ns in user mnt pid uts ipc net cgroup; do
			test "$(readlink /proc/self/ns/$ns)" = "$(readlink /proc/1/ns/$ns)" || { echo $ns differs >&2; exit 1; }
		done`)
	})
}

func TestCapabilities(t *testing.T) {
	tests := []struct {
		name  string
		flags []string
		want  string // effective set; the bounding set is checked to be the same unless user is set
	}{
		{"default", nil, dockerCaps},
		{"dropped", []string{"--cap-drop", "CHOWN"}, "00000000a80425fa"},
		{"all dropped", []string{"--cap-drop", "ALL"}, noCaps},
		{"all dropped but one", []string{"--cap-drop", "all", "--cap-add", "net_bind_service"}, "0000000000000400"},
		{"added", []string{"--cap-add", "SYS_PTRACE"}, "00000000a80c25fb"},
		{"added with prefix", []string{"--cap-add", "CAP_SYS_PTRACE"}, "00000000a80c25fb"},
	}
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"run", "--rm"}, tt.flags...)
				got := e.OK(t, append(args, Image, "awk", "/^Cap(Eff|Bnd)/ {print $2}", "/proc/self/status")...)
				if got != tt.want+"\n"+tt.want {
					t.Errorf("effective and bounding: %q, want %s", got, tt.want)
				}
			})
		}
		t.Run("not root", func(t *testing.T) {
			got := e.OK(t, "run", "--rm", "-u", "1000", Image, "awk", "/^Cap(Eff|Bnd)/ {print $2}", "/proc/self/status")
			if got != noCaps+"\n"+dockerCaps {
				t.Errorf("effective and bounding: %q", got)
			}
		})
	})
}

func TestPrivileged(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		got := e.OK(t, "run", "--rm", "--privileged", Image, "awk", "/^(CapEff|Seccomp):/ {print $2}", "/proc/self/status")
		caps, seccomp, _ := strings.Cut(got, "\n")
		all, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
		if err != nil {
			t.Fatal(err)
		}
		last, err := strconv.Atoi(strings.TrimSpace(string(all)))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%016x", uint64(1)<<(last+1)-1); caps != want || seccomp != "0" {
			t.Errorf("capabilities %s, seccomp %s; want %s, 0", caps, seccomp, want)
		}
		e.OK(t, "run", "--rm", "--privileged", Image, "mount", "-t", "tmpfs", "none", "/tmp")
	})
}

func TestSecurityOptions(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		status := func(option, field string) string {
			return e.OK(t, "run", "--rm", "--security-opt", option, Image, "awk", "/^"+field+":/ {print $2}", "/proc/self/status")
		}
		if got := status("no-new-privileges", "NoNewPrivs"); got != "1" {
			t.Errorf("no-new-privileges: %s", got)
		}
		if got := status("seccomp=unconfined", "Seccomp"); got != "0" {
			t.Errorf("seccomp=unconfined: %s", got)
		}
		profile := e.File(t, "profile.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}`)
		r := e.Run(t, "run", "--rm", "--security-opt", "seccomp="+profile, Image, "mkdir", "/made")
		if r.Code != 1 || !strings.Contains(strings.ToLower(r.Err), "not supported") {
			t.Error(r)
		}
	})
}

// What the default profile and capabilities forbid, and what they must not.
func TestConfinement(t *testing.T) {
	forbidden := map[string]string{
		"mount":           "mount -t tmpfs none /tmp",
		"a new namespace": "unshare -U true",
		"the clock":       "! date -s 2020-01-01 2>&1 | grep 'not permitted'",
		"sysctl":          "echo 1 > /proc/sys/kernel/panic",
		"kernel memory":   "head -c 1 /proc/kcore | grep -q .",
		"keys":            "grep -q . /proc/keys",
		"sysrq":           "echo h > /proc/sysrq-trigger",
		"cgroups":         "mkdir /sys/fs/cgroup/x",
		"remount":         "mount -o remount,rw /sys",
	}
	Each(t, func(t *testing.T, e *Env) {
		for name, command := range forbidden {
			t.Run(name, func(t *testing.T) {
				if r := e.Run(t, "run", "--rm", Image, "sh", "-c", command); r.Code == 0 {
					t.Errorf("worked: %s", r)
				}
			})
		}
		t.Run("allowed", func(t *testing.T) {
			e.OK(t, "run", "--rm", Image, "sh", "-ec", "chown 12:34 /tmp; mknod /tmp/p p; chroot / true; ping -c 1 127.0.0.1 > /dev/null")
		})
	})
}

func TestDevices(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		got := strings.Fields(e.OK(t, "run", "--rm", Image, "ls", "/dev"))
		want := []string{"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
		if !slices.Equal(got, want) {
			t.Errorf("/dev has %v, want %v", got, want)
		}
		e.OK(t, "run", "--rm", Image, "sh", "-ec", "echo x > /dev/null; head -c 1 /dev/zero > /dev/shm/x; head -c 1 /dev/urandom | wc -c; echo out > /dev/stdout")
	})
}

func TestNetworkNone(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Want(t, "lo", "run", "--rm", "--network", "none", Image, "ls", "/sys/class/net")
		e.OK(t, "run", "--rm", "--network", "none", Image, "ping", "-c", "1", "127.0.0.1")
	})
}

func TestNetworkHost(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		host, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		e.Want(t, host, "run", "--rm", "--network", "host", Image, "readlink", "/proc/self/ns/net")
	})
}

// Groups of the image's user come from the image, those of the caller do not
// come along.
func TestGroups(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		Need(t, RealImages)
		e.Want(t, "0 1 2 3 4 6 10 11 20 26 27", "run", "--rm", Image, "id", "-G")
		e.Want(t, "1000", "run", "--rm", "-u", "1000:1000", Image, "id", "-G")
	})
}

// Two installations of one account know nothing of each other, even root's,
// whose folders have the same names in two mount namespaces.
func TestInstallationsApart(t *testing.T) {
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			t.Parallel()
			namespace := func(e *Env, how ...string) string {
				return e.OK(t, append(how, "readlink", "/proc/self/ns/user")...)
			}
			first, second := Fresh(t, who.account), Fresh(t, who.account)
			for _, e := range []*Env{first, second} {
				if err := e.Preload(); err != nil {
					t.Fatal(err)
				}
			}
			id := first.OK(t, "run", "-d", "--network", "none", Image, "sleep", "1000")
			if mine := namespace(second, "run", "--rm", "--network", "none", Image); mine == namespace(first, "exec", id) {
				t.Errorf("two installations share the user namespace %s", mine)
			}
		})
	}
}
