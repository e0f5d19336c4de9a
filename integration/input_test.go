package integration

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Bad input ends with one clear line, exit code 125, and nothing changed.
func TestBadInput(t *testing.T) {
	tests := []struct {
		name  string
		args  []string // after `run --rm`; IMAGE stands for the image
		words []string // what the message must name
	}{
		{"unknown flag", []string{"--no-such-flag", "IMAGE", "true"}, []string{"--no-such-flag"}},
		{"flag almost right", []string{"--memroy", "20m", "IMAGE", "true"}, []string{"--memroy", "--memory"}},
		{"flag without its value", []string{"--name"}, []string{"--name"}},
		{"no image", nil, []string{"image"}},
		{"image name in capitals", []string{"UPPER", "true"}, []string{"UPPER", "lower"}},
		{"image name malformed", []string{"a b", "true"}, []string{"a b"}},
		{"unknown image", []string{"--pull", "never", "no-such-image", "true"}, []string{"no-such-image"}},
		{"name malformed", []string{"--name", "no spaces", "IMAGE", "true"}, []string{"no spaces"}},
		{"name too short to be one", []string{"--name", "-", "IMAGE", "true"}, []string{"-"}},
		{"memory is no number", []string{"--memory", "lots", "IMAGE", "true"}, []string{"lots"}},
		{"memory below the least", []string{"--memory", "1k", "IMAGE", "true"}, []string{"6"}},
		{"memory negative", []string{"--memory=-5m", "IMAGE", "true"}, []string{"-5m"}},
		{"swap below memory", []string{"--memory", "64m", "--memory-swap", "32m", "IMAGE", "true"}, []string{"swap"}},
		{"reservation above memory", []string{"--memory", "64m", "--memory-reservation", "65m", "IMAGE", "true"}, []string{"reservation"}},
		{"cpus is no number", []string{"--cpus", "many", "IMAGE", "true"}, []string{"many"}},
		{"more cpus than there are", []string{"--cpus", "100000", "IMAGE", "true"}, []string{"cpu"}},
		{"pids limit", []string{"--pids-limit", "few", "IMAGE", "true"}, []string{"few"}},
		{"port too big", []string{"-p", "99999:80", "IMAGE", "true"}, []string{"99999"}},
		{"port is no number", []string{"-p", "http:80", "IMAGE", "true"}, []string{"http"}},
		{"port ranges of different length", []string{"-p", "1000-1002:80-81", "IMAGE", "true"}, []string{"1000-1002"}},
		{"port protocol", []string{"-p", "8080:80/carrier-pigeon", "IMAGE", "true"}, []string{"carrier-pigeon"}},
		{"port address", []string{"-p", "1.2.3.4.5:8080:80", "IMAGE", "true"}, []string{"1.2.3.4.5"}},
		{"mount with too many parts", []string{"-v", "/a:/b:ro:x", "IMAGE", "true"}, []string{"/a:/b:ro:x"}},
		{"mount target relative", []string{"-v", "/tmp:data", "IMAGE", "true"}, []string{"data"}},
		{"mount target root", []string{"-v", "/tmp:/", "IMAGE", "true"}, []string{"/"}},
		{"mount mode", []string{"-v", "/tmp:/data:sideways", "IMAGE", "true"}, []string{"sideways"}},
		{"mount option unknown", []string{"--mount", "type=bind,src=/tmp,dst=/data,colour=blue", "IMAGE", "true"}, []string{"colour"}},
		{"mount without target", []string{"--mount", "type=bind,src=/tmp", "IMAGE", "true"}, []string{"target"}},
		{"mount twice at one place", []string{"-v", "/tmp:/data", "-v", "/etc:/data", "IMAGE", "true"}, []string{"/data"}},
		{"tmpfs relative", []string{"--tmpfs", "scratch", "IMAGE", "true"}, []string{"scratch"}},
		{"tmpfs option", []string{"--tmpfs", "/scratch:colour=blue", "IMAGE", "true"}, []string{"colour"}},
		{"user unknown", []string{"-u", "nobody-of-that-name", "IMAGE", "true"}, []string{"nobody-of-that-name"}},
		{"group unknown", []string{"-u", "root:no-such-group", "IMAGE", "true"}, []string{"no-such-group"}},
		{"workdir relative", []string{"-w", "tmp", "IMAGE", "true"}, []string{"tmp"}},
		{"workdir is a file", []string{"--network", "none", "-w", "/etc/passwd", "IMAGE", "true"}, []string{"/etc/passwd"}},
		{"env without a name", []string{"-e", "=x", "IMAGE", "true"}, []string{"=x"}},
		{"env file missing", []string{"--env-file", "/no/such/file", "IMAGE", "true"}, []string{"/no/such/file"}},
		{"capability unknown", []string{"--cap-add", "FLYING", "IMAGE", "true"}, []string{"FLYING"}},
		{"ulimit unknown", []string{"--ulimit", "patience=1", "IMAGE", "true"}, []string{"patience"}},
		{"ulimit soft above hard", []string{"--ulimit", "nofile=20:10", "IMAGE", "true"}, []string{"nofile"}},
		{"network unknown", []string{"--network", "no-such-network", "IMAGE", "true"}, []string{"no-such-network"}},
		{"security option unknown", []string{"--security-opt", "trust-me", "IMAGE", "true"}, []string{"trust-me"}},
		{"seccomp profile missing", []string{"--security-opt", "seccomp=/no/such/profile", "IMAGE", "true"}, []string{"/no/such/profile"}},
		{"seccomp profile malformed", []string{"--security-opt", "seccomp=/etc/passwd", "IMAGE", "true"}, []string{"/etc/passwd"}},
		{"detach keys", []string{"--detach-keys", "ctrl-!!", "IMAGE", "true"}, []string{"ctrl-!!"}},
		{"stop signal", []string{"--stop-signal", "SIGNOTHING", "IMAGE", "true"}, []string{"SIGNOTHING"}},
		{"shm size", []string{"--shm-size", "wide", "IMAGE", "true"}, []string{"wide"}},
		{"userns mode", []string{"--userns", "elsewhere", "IMAGE", "true"}, []string{"elsewhere"}},
		{"pull policy", []string{"--pull", "sometimes", "IMAGE", "true"}, []string{"sometimes"}},
		{"host name too long", []string{"--hostname", strings.Repeat("h", 65), "IMAGE", "true"}, []string{"hhh"}},
		{"host without an address", []string{"--add-host", "db", "IMAGE", "true"}, []string{"--add-host", "NAME:IP"}},
		{"host with a bad address", []string{"--add-host", "db:10.0.0", "IMAGE", "true"}, []string{"10.0.0"}},
		{"name server by name", []string{"--dns", "dns.example", "IMAGE", "true"}, []string{"dns.example"}},
		{"option with blanks", []string{"--dns-option", "a b", "IMAGE", "true"}, []string{"a b"}},
		{"search with a line break", []string{"--dns-search", "a\nb", "IMAGE", "true"}, []string{"--dns-search"}},
		{"expose", []string{"--expose", "http", "IMAGE", "true"}, []string{"http"}},
		{"expose of another's network", []string{"--network", "container:x", "--expose", "80", "IMAGE", "true"}, []string{"x"}},
		{"attach to nothing", []string{"-a", "stdlog", "IMAGE", "true"}, []string{"stdlog"}},
		{"attached and detached", []string{"-d", "-a", "stdout", "IMAGE", "true"}, []string{"-a", "-d"}},
		{"timeout negative", []string{"--timeout=-1", "IMAGE", "true"}, []string{"--timeout"}},
		{"timeout is no number", []string{"--timeout", "soon", "IMAGE", "true"}, []string{"soon"}},
		{"stop timeout", []string{"--stop-timeout=-2", "IMAGE", "true"}, []string{"-2"}},
		{"label file missing", []string{"--label-file", "/no/such/file", "IMAGE", "true"}, []string{"/no/such/file"}},
		{"label without a key", []string{"--label", "=x", "IMAGE", "true"}, []string{"=x"}},
		{"pid mode", []string{"--pid", "mine", "IMAGE", "true"}, []string{"mine", "host"}},
		{"ipc mode", []string{"--ipc", "mine", "IMAGE", "true"}, []string{"mine", "shareable"}},
		{"uts mode", []string{"--uts", "mine", "IMAGE", "true"}, []string{"mine", "host"}},
		{"cgroupns mode", []string{"--cgroupns", "mine", "IMAGE", "true"}, []string{"mine", "private"}},
		{"sysctl of the machine", []string{"--sysctl", "vm.swappiness=1", "IMAGE", "true"}, []string{"vm.swappiness"}},
		{"sysctl without a value", []string{"--sysctl", "net.core.somaxconn", "IMAGE", "true"}, []string{"NAME=VALUE"}},
		{"device missing", []string{"--device", "/dev/no-such-device", "IMAGE", "true"}, []string{"/dev/no-such-device"}},
		{"device half", []string{"--device", "/dev/null:/dev/x:r", "IMAGE", "true"}, []string{"cannot be enforced"}},
		{"GPUs", []string{"--gpus", "several", "IMAGE", "true"}, []string{"several", "device=ID"}},
		{"device of no CDI file", []string{"--device", "nobody.example/thing=1", "IMAGE", "true"}, []string{"nobody.example/thing=1", "CDI"}},
		{"control group elsewhere", []string{"--cgroup-parent", "../elsewhere", "IMAGE", "true"}, []string{"../elsewhere"}},
		{"group of nobody", []string{"--group-add", "no-such-group", "IMAGE", "true"}, []string{"no-such-group"}},
		{"kept groups and another", []string{"--group-add", "keep-groups", "--group-add", "1", "IMAGE", "true"}, []string{"keep-groups"}},
		{"mount propagation", []string{"--mount", "type=bind,src=/tmp,dst=/data,bind-propagation=upwards", "IMAGE", "true"}, []string{"upwards"}},
		{"mount recursion", []string{"--mount", "type=bind,src=/tmp,dst=/data,bind-recursive=readonly", "IMAGE", "true"}, []string{"readonly"}},
		{"mount source missing", []string{"--mount", "type=bind,src=/no/such,dst=/data", "IMAGE", "true"}, []string{"/no/such"}},
		{"tmpfs size", []string{"--mount", "type=tmpfs,dst=/data,tmpfs-size=big", "IMAGE", "true"}, []string{"big"}},
		{"tmpfs mode", []string{"--mount", "type=tmpfs,dst=/data,tmpfs-mode=rwx", "IMAGE", "true"}, []string{"rwx"}},
		{"systempaths", []string{"--security-opt", "systempaths=open", "IMAGE", "true"}, []string{"systempaths"}},
		{"only as root: quota", []string{"--storage-opt", "size=1g", "IMAGE", "true"}, []string{"--storage-opt", "--tmpfs"}},
		{"Windows: cpus", []string{"--cpu-count", "2", "IMAGE", "true"}, []string{"Windows"}},
		{"only as root: device rules", []string{"--device-cgroup-rule", "c 1:3 rwm", "IMAGE", "true"}, []string{"--device-cgroup-rule"}},
		{"only as root: real time", []string{"--cpu-rt-runtime", "1000", "IMAGE", "true"}, []string{"--cpu-rt-runtime"}},
		{"gone: kernel memory", []string{"--kernel-memory", "20m", "IMAGE", "true"}, []string{"--kernel-memory"}},
		{"gone: swappiness", []string{"--memory-swappiness", "10", "IMAGE", "true"}, []string{"--memory-swappiness"}},
	}
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			e := Fresh(t, who.account)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			e.OK(t, "run", "--rm", "--network", "none", Image, "true") // whatever the first run makes is there now, and no network process ends meanwhile
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					before := e.tree(t)
					args := append([]string{"run", "--rm"}, tt.args...)
					for i := range args {
						if args[i] == "IMAGE" {
							args[i] = Image
						}
					}
					r := e.Run(t, args...).Exits(t, 125).Says(t, tt.words...)
					if n := lines(r.Err); n == 0 || n > 2 { // the message, and where to read on
						t.Errorf("want one clear line: %s", r)
					}
					if r.Out != "" {
						t.Errorf("something on stdout: %s", r)
					}
					if now := e.tree(t); !slices.Equal(before, now) {
						t.Errorf("changed on disk: %v", difference(before, now))
					}
				})
			}
		})
	}
}

// accounts are the accounts that a test with installations of its own runs as.
func accounts() []struct {
	name    string
	account func() (Account, error)
} {
	all := []struct {
		name    string
		account func() (Account, error)
	}{{"user", Ordinary}}
	if _, err := RootAccount(); err == nil {
		all = append(all, struct {
			name    string
			account func() (Account, error)
		}{"root", RootAccount})
	}
	return all
}

// tree lists every file of the Env with its size, so that two lists show what
// a command left. Locks and logs may grow or change their time, not appear.
func (e *Env) tree(t *testing.T) []string {
	t.Helper()
	e.settle(t)
	return e.files(t)
}

// files is tree while containers run.
func (e *Env) files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(e.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == e.Dir {
			return nil // mapped files may be closed to us
		}
		if d.Type() == fs.ModeSocket {
			return nil // the network process ends some time after the last container
		}
		all = append(all, fmt.Sprintf("%s %s", d.Type(), path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// difference lists what is in only one of two lists.
func difference(before, after []string) []string {
	var all []string
	for _, x := range before {
		if !slices.Contains(after, x) {
			all = append(all, "gone: "+x)
		}
	}
	for _, x := range after {
		if !slices.Contains(before, x) {
			all = append(all, "new: "+x)
		}
	}
	return all
}

func TestUnknownCommand(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range []struct{ typed, meant string }{
			{"rnu", "run"}, {"strat", "start"}, {"imges", "images"}, {"inspct", "inspect"},
		} {
			r := e.Run(t, tt.typed)
			if r.Says(t, tt.typed, tt.meant); r.Code == 0 {
				t.Error(r)
			}
		}
	})
}

func TestHelp(t *testing.T) {
	e := AsUser(t)
	whole := e.OK(t, "--help")
	for _, verb := range []string{"run", "create", "start", "ps", "logs", "exec", "attach", "stop", "kill", "rm", "wait", "inspect", "pull", "images", "rmi", "tag", "load", "save", "import", "check", "info", "version"} {
		if !strings.Contains(whole, verb) {
			t.Errorf("--help does not have %s", verb)
		}
		one := e.OK(t, "help", verb)
		if !strings.Contains(one, "rl "+verb) {
			t.Errorf("help %s has no example: %q", verb, one)
		}
		if same := e.OK(t, verb, "--help"); same != one {
			t.Errorf("%s --help and help %s differ", verb, verb)
		}
	}
	for line := range strings.Lines(whole) {
		if len(line) > 81 {
			t.Errorf("wider than a terminal: %q", line)
		}
	}
}
