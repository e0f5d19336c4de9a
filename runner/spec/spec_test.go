package spec

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/storage"
)

// testHost is a machine with nothing special: 65536 ids, four processors.
func testHost() Host {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	return Host{
		LookupEnv: func(k string) (string, bool) { return "from-caller", k == "CALLER" },
		Dir:       "/home/ann",
		Hostname:  "machine",
		CPUs:      4,
		UIDs:      ids,
		GIDs:      ids,
		HardLimit: func(int) uint64 { return 1 << 20 },
		LastCap:   40,
		Mqueue:    true,
	}
}

func shellImage() storage.Config {
	return storage.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin", "A=image"}}
}

func mustBuild(t *testing.T, opts Options) (*specs.Spec, Facts) {
	t.Helper()
	s, err := Build(opts, shellImage(), testHost())
	if err != nil {
		t.Fatal(err)
	}
	facts, err := FactsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	return s, facts
}

func mount(s *specs.Spec, destination string) (specs.Mount, bool) {
	i := slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == destination })
	if i < 0 {
		return specs.Mount{}, false
	}
	return s.Mounts[i], true
}

func TestBuildWithoutOptionsIsDockersDefault(t *testing.T) {
	s, facts := mustBuild(t, Options{ID: strings.Repeat("ab", 32)})
	var mounts []string
	for _, m := range s.Mounts {
		mounts = append(mounts, m.Destination+" "+m.Type+" "+strings.Join(m.Options, ","))
	}
	want := []string{
		"/proc proc nosuid,noexec,nodev",
		"/dev tmpfs nosuid,strictatime,mode=755,size=65536k",
		"/dev/pts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
		"/sys sysfs ro,nosuid,noexec,nodev",
		"/sys/fs/cgroup cgroup ro,nosuid,noexec,nodev,relatime",
		"/dev/mqueue mqueue nosuid,noexec,nodev",
		"/dev/shm tmpfs nosuid,noexec,nodev,mode=1777,size=67108864",
		"/dev/null bind rbind,rprivate", "/dev/zero bind rbind,rprivate", "/dev/full bind rbind,rprivate",
		"/dev/random bind rbind,rprivate", "/dev/urandom bind rbind,rprivate", "/dev/tty bind rbind,rprivate",
	}
	if !slices.Equal(mounts, want) {
		t.Errorf("mounts:\n%s\nwant:\n%s", strings.Join(mounts, "\n"), strings.Join(want, "\n"))
	}
	if len(s.Linux.Namespaces) != 6 {
		t.Errorf("namespaces %v, want six", s.Linux.Namespaces)
	}
	if got := s.Process.Capabilities; len(got.Bounding) != 14 || len(got.Effective) != 14 || len(got.Ambient)+len(got.Inheritable) != 0 {
		t.Errorf("capabilities %+v, want Docker's fourteen, none ambient or inheritable", got)
	}
	wantEnv := []string{"PATH=/bin", "HOSTNAME=abababababab", "container=rl", "A=image", "HOME=/"}
	if !slices.Equal(s.Process.Env, wantEnv) {
		t.Errorf("env %q, want %q", s.Process.Env, wantEnv)
	}
	if facts.Seccomp != SeccompDefault || s.Hostname != "abababababab" || s.Process.Cwd != "/" || facts.StopSignal != 15 {
		t.Errorf("facts %+v, hostname %s, cwd %s", facts, s.Hostname, s.Process.Cwd)
	}
	if s.Linux.Resources != nil || len(s.Linux.Devices) != 0 {
		t.Errorf("resources %v and devices %v, want none", s.Linux.Resources, s.Linux.Devices)
	}
}
