package spec

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/storage"
)

func TestCommand(t *testing.T) {
	word := func(s string) *string { return &s }
	for _, test := range []struct {
		name             string
		entrypoint       *string
		args, imgEP, cmd []string
		want             []string
	}{
		{"the image's", nil, nil, []string{"/ep"}, []string{"cmd"}, []string{"/ep", "cmd"}},
		{"CMD alone", nil, nil, nil, []string{"cmd"}, []string{"cmd"}},
		{"arguments replace CMD", nil, []string{"a"}, []string{"/ep"}, []string{"cmd"}, []string{"/ep", "a"}},
		{"an entrypoint drops CMD", word("/my"), nil, []string{"/ep"}, []string{"cmd"}, []string{"/my"}},
		{"an entrypoint keeps arguments", word("/my"), []string{"a"}, []string{"/ep"}, []string{"cmd"}, []string{"/my", "a"}},
		{"an empty entrypoint", word(""), []string{"a"}, []string{"/ep"}, []string{"cmd"}, []string{"a"}},
		{"an empty entrypoint drops CMD", word(""), nil, []string{"/ep"}, []string{"cmd"}, nil},
		{"an entrypoint is one word", word("a b"), nil, nil, nil, []string{"a b"}},
	} {
		if got := Command(test.entrypoint, test.args, test.imgEP, test.cmd); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	_, err := Build(Options{}, storage.Config{}, testHost())
	if !errors.Is(err, ErrNoCommand) {
		t.Errorf("nothing to run: %v, want ErrNoCommand", err)
	}
}

func TestWorkdir(t *testing.T) {
	for _, test := range []struct{ asked, image, want, bad string }{
		{want: "/"},
		{image: "/app", want: "/app"},
		{image: "app", want: "/app"},
		{asked: "/x/../y", image: "/app", want: "/y"},
		{asked: "x", bad: "not an absolute path"},
	} {
		got, err := workdir(test.asked, test.image)
		checkError(t, test.asked, err, test.bad)
		if test.bad == "" && got != test.want {
			t.Errorf("%q, %q: %q, want %q", test.asked, test.image, got, test.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("A=file\nB=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := mustBuild(t, Options{ID: "0123456789abcdef", TTY: true, EnvFiles: []string{file},
		Env: []string{"B=flag", "CALLER", "MISSING", "PATH", "EMPTY="}})
	want := []string{"HOSTNAME=0123456789ab", "TERM=xterm", "container=rl", "A=file", "B=flag", "CALLER=from-caller", "EMPTY=", "HOME=/"}
	if !slices.Equal(s.Process.Env, want) {
		t.Errorf("%q\nwant %q", s.Process.Env, want)
	}
	for _, bad := range []Options{{Env: []string{"=x"}}, {Env: []string{""}}, {Env: []string{"A=\x00"}}, {EnvFiles: []string{"/missing"}}} {
		if _, err := Build(bad, shellImage(), testHost()); err == nil {
			t.Errorf("%q %q: no error", bad.Env, bad.EnvFiles)
		}
	}
}

func TestParseEnvFile(t *testing.T) {
	lookup := testHost().LookupEnv
	for _, test := range []struct{ name, in, want, bad string }{
		{name: "plain", in: "A=1\nB=2", want: "A=1|B=2"},
		{name: "values are taken as they are", in: `A="quoted" # no comment ` + "\n", want: `A="quoted" # no comment `},
		{name: "comments and empty lines", in: "# c\n\n  \n\t# d\nA=1\n", want: "A=1"},
		{name: "leading space", in: "  A=1\n", want: "A=1"},
		{name: "byte order mark", in: "\xef\xbb\xbfA=1\n", want: "A=1"},
		{name: "from the caller", in: "CALLER\nMISSING\n", want: "CALLER=from-caller"},
		{name: "carriage return", in: "A=1\r\nB=2\r\n", want: "A=1|B=2"},
		{name: "a second equals sign", in: "A=b=c\n", want: "A=b=c"},
		{name: "no name", in: "A=1\n=x\n", bad: "line 2"},
		{name: "space in the name", in: "A B=1\n", bad: "contains whitespace"},
		{name: "space before =", in: "A =1\n", bad: "contains whitespace"},
		{name: "not UTF-8", in: "A=\xff\n", bad: "UTF-8"},
	} {
		got, err := ParseEnvFile(strings.NewReader(test.in), lookup)
		checkError(t, test.name, err, test.bad)
		if strings.Join(got, "|") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nlost:x:200000:200000::/x:\nhomeless:x:1001:1001:::\n"
	group  = "root:x:0:\nann:x:1000:\nwheel:x:10:root,ann\ndisk:x:6:ann\nfar:x:300000:ann\n"
)

func imageFiles(name string) (io.ReadCloser, error) {
	files := map[string]string{"/etc/passwd": passwd, "/etc/group": group}
	text, ok := files[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func TestResolveUser(t *testing.T) {
	for _, test := range []struct {
		in       string
		uid, gid uint32
		groups   []uint32
		home     string
		bad      string
	}{
		{in: "", groups: []uint32{10}, home: "/root"},
		{in: "root", groups: []uint32{10}, home: "/root"},
		{in: "ann", uid: 1000, gid: 1000, groups: []uint32{10, 6, 300000}, home: "/home/ann"},
		{in: "1000", uid: 1000, gid: 1000, groups: []uint32{10, 6, 300000}, home: "/home/ann"},
		{in: "ann:wheel", uid: 1000, gid: 10, home: "/home/ann"},
		{in: "ann:77", uid: 1000, gid: 77, home: "/home/ann"},
		{in: "4321", uid: 4321, home: "/"},
		{in: "4321:wheel", uid: 4321, gid: 10, home: "/"},
		{in: "homeless", uid: 1001, gid: 1001, home: "/"},
		{in: "bob", bad: "unable to find user bob: no matching entries in passwd file"},
		{in: "ann:bobs", bad: "group bobs: no matching entries in group file"},
		{in: "-1", bad: "-1"},
		{in: "99999999999", bad: "99999999999"},
	} {
		got, err := resolveUser(strings.NewReader(passwd), strings.NewReader(group), test.in)
		checkError(t, test.in, err, test.bad)
		if test.bad != "" {
			if !errors.Is(err, ErrNoUser) {
				t.Errorf("%q: %v is not ErrNoUser", test.in, err)
			}
			continue
		}
		if got.UID != test.uid || got.GID != test.gid || !slices.Equal(got.Groups, test.groups) || got.Home != test.home {
			t.Errorf("%q: %+v", test.in, got)
		}
	}
}

func TestUserOfAContainer(t *testing.T) {
	host := testHost()
	host.Open = imageFiles
	s, err := Build(Options{User: "ann", GroupAdd: []string{"wheel", "77", "root"}}, shellImage(), host)
	if err != nil {
		t.Fatal(err)
	}
	u := s.Process.User
	if u.UID != 1000 || u.GID != 1000 || !slices.Equal(u.AdditionalGids, []uint32{10, 6, 77, 0}) {
		t.Errorf("%+v; want groups 10 and 6 (300000 is not mapped), then 77 and 0", u)
	}
	if !slices.Contains(s.Process.Env, "HOME=/home/ann") {
		t.Errorf("env %q", s.Process.Env)
	}
	if c := s.Process.Capabilities; len(c.Bounding) != 14 || len(c.Effective)+len(c.Permitted) != 0 {
		t.Errorf("capabilities of an ordinary user: %+v", c)
	}
	img := shellImage()
	img.User = "4321:6"
	if s, err = Build(Options{}, img, host); err != nil || s.Process.User.UID != 4321 || s.Process.User.GID != 6 {
		t.Errorf("user of the image: %+v, %v", s.Process.User, err)
	}
	for _, test := range []struct {
		opts Options
		bad  string
	}{
		{Options{User: "lost"}, "uid 200000"},
		{Options{User: "0:200000"}, "gid 200000"},
		{Options{GroupAdd: []string{"nobodys"}}, "nobodys"},
		{Options{GroupAdd: []string{"far"}}, "gid 300000"},
		{Options{GroupAdd: []string{"keep-groups", "wheel"}}, "excludes"},
	} {
		_, err := Build(test.opts, shellImage(), host)
		checkError(t, test.opts, err, test.bad)
	}
}

func TestKeepGroups(t *testing.T) {
	host := testHost()
	host.Open = imageFiles
	s, err := Build(Options{User: "ann", GroupAdd: []string{"keep-groups"}}, shellImage(), host)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := FactsOf(s)
	if err != nil || !facts.KeepGroups || len(s.Process.User.AdditionalGids) != 0 {
		t.Errorf("facts %+v, groups %v, %v", facts, s.Process.User.AdditionalGids, err)
	}
}

func TestUnreadableImageFile(t *testing.T) {
	host := testHost()
	host.Open = func(string) (io.ReadCloser, error) { return nil, os.ErrPermission }
	_, err := Build(Options{}, shellImage(), host)
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v, want the error of opening /etc/passwd", err)
	}
}

func TestCapabilities(t *testing.T) {
	everything := allCapabilities(0)
	for _, test := range []struct {
		name       string
		add, drop  []string
		privileged bool
		want       []string // nil for a check of the number alone
		n          int
		bad        string
	}{
		{name: "default", n: 14},
		{name: "drop all", drop: []string{"ALL"}, want: []string{}},
		{name: "drop all, add one", add: []string{"net_admin"}, drop: []string{"all"}, want: []string{"CAP_NET_ADMIN"}},
		{name: "add one twice", add: []string{"SYS_PTRACE", "CAP_SYS_PTRACE"}, n: 15},
		{name: "add one that is there", add: []string{"CHOWN"}, n: 14},
		{name: "drop one", drop: []string{"cap_chown"}, n: 13},
		{name: "drop one that is not there", drop: []string{"SYS_ADMIN"}, n: 14},
		{name: "add all", add: []string{"ALL"}, n: 41},
		{name: "add all, drop one", add: []string{"ALL"}, drop: []string{"SYS_ADMIN"}, n: 40},
		{name: "privileged", privileged: true, n: 41},
		{name: "privileged, drop one", privileged: true, drop: []string{"SYS_ADMIN"}, n: 40},
		{name: "unknown to add", add: []string{"FLY"}, bad: "--cap-add FLY"},
		{name: "unknown to drop", drop: []string{"FLY"}, bad: "--cap-drop FLY"},
		{name: "empty", add: []string{""}, bad: "no such capability"},
	} {
		got, err := Capabilities(everything, test.add, test.drop, test.privileged)
		checkError(t, test.name, err, test.bad)
		if test.bad != "" {
			continue
		}
		if test.want != nil && !slices.Equal(got, test.want) || test.want == nil && len(got) != test.n {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if old := allCapabilities(37); len(old) != 38 || old[37] != "CAP_AUDIT_READ" {
		t.Errorf("a kernel whose last capability is 37: %v", old)
	}
	if everything[unix.CAP_SYS_ADMIN] != "CAP_SYS_ADMIN" || everything[unix.CAP_CHECKPOINT_RESTORE] != "CAP_CHECKPOINT_RESTORE" {
		t.Error("the names are not in the order of the numbers")
	}
}

func TestPrivileged(t *testing.T) {
	s, facts := mustBuild(t, Options{Privileged: true})
	if len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) != 0 || facts.Seccomp != SeccompUnconfined || !facts.Privileged {
		t.Errorf("masked %v, read-only %v, facts %+v", s.Linux.MaskedPaths, s.Linux.ReadonlyPaths, facts)
	}
	if m, _ := mount(s, "/sys/fs/cgroup"); m.Options[0] != "rw" {
		t.Errorf("cgroup %v", m.Options)
	}
	seen := map[string]bool{}
	for _, m := range s.Mounts {
		if seen[m.Destination] {
			t.Errorf("%s is mounted twice", m.Destination)
		}
		seen[m.Destination] = true
	}
}

func TestSecurityOpts(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile.json")
	text := `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
		{"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}}]}`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	build := func(words ...string) (*specs.Spec, Facts) { return mustBuild(t, Options{SecurityOpt: words}) }

	s, facts := build("no-new-privileges", "label=disable", "apparmor=unconfined")
	if !s.Process.NoNewPrivileges || len(facts.Notes) != 2 {
		t.Errorf("no-new-privileges %v, notes %q", s.Process.NoNewPrivileges, facts.Notes)
	}
	for word, want := range map[string]bool{"no-new-privileges:true": true, "no-new-privileges=false": false} {
		if s, _ := build(word); s.Process.NoNewPrivileges != want {
			t.Errorf("%s: %v", word, s.Process.NoNewPrivileges)
		}
	}
	if _, facts = build("seccomp=unconfined"); facts.Seccomp != SeccompUnconfined {
		t.Errorf("seccomp=unconfined: %q", facts.Seccomp)
	}
	if _, facts = build("seccomp=builtin"); facts.Seccomp != SeccompDefault {
		t.Errorf("seccomp=builtin: %q", facts.Seccomp)
	}
	s, facts = build("seccomp=" + profile)
	if facts.Seccomp != SeccompProfile || len(s.Linux.Seccomp.Syscalls) != 1 {
		t.Errorf("a profile without CAP_SYS_ADMIN: %q, %+v", facts.Seccomp, s.Linux.Seccomp)
	}
	s, _ = mustBuild(t, Options{SecurityOpt: []string{"seccomp=" + profile}, Privileged: true})
	if s.Linux.Seccomp == nil || len(s.Linux.Seccomp.Syscalls) != 2 {
		t.Errorf("a profile with --privileged: %+v", s.Linux.Seccomp)
	}
	if s, _ = build("systempaths=unconfined"); len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) != 0 {
		t.Errorf("systempaths=unconfined: %v, %v", s.Linux.MaskedPaths, s.Linux.ReadonlyPaths)
	}
	s, _ = build("mask=/a:/b", "unmask=/proc/kcore:/proc/a*")
	if l := s.Linux.MaskedPaths; !slices.Contains(l, "/b") || slices.Contains(l, "/proc/kcore") || slices.Contains(l, "/proc/asound") {
		t.Errorf("masked %v", l)
	}
	if s, _ = build("unmask=ALL"); len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) != 0 {
		t.Errorf("unmask=ALL: %v, %v", s.Linux.MaskedPaths, s.Linux.ReadonlyPaths)
	}
}

func TestSecurityOptsThatAreRefused(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for word, bad := range map[string]string{
		"":                          "known are",
		"sandbox=yes":               "known are",
		"no-new-privileges=perhaps": "=true or =false",
		"seccomp=":                  "needs unconfined",
		"seccomp=/missing.json":     "no such file",
		"seccomp=" + broken:         "broken.json",
		"apparmor=docker-default":   "only root",
		"systempaths=all":           "only systempaths=unconfined",
		"mask=relative":             "not an absolute path",
		"unmask=relative":           "not an absolute path",
	} {
		_, err := Build(Options{SecurityOpt: []string{word}}, shellImage(), testHost())
		checkError(t, word, err, bad)
	}
}

func TestUlimits(t *testing.T) {
	for _, test := range []struct {
		in         string
		soft, hard uint64
		bad        string
	}{
		{in: "nofile=1024:2048", soft: 1024, hard: 2048},
		{in: "nofile=1024", soft: 1024, hard: 1024},
		{in: "core=-1", soft: unlimited, hard: unlimited},
		{in: "core=0:unlimited", hard: unlimited},
		{in: "nofile", bad: "NAME=SOFT"},
		{in: "nofile=", bad: "neither a number"},
		{in: "nofile=2:1", bad: "above the hard"},
		{in: "nofile=-2", bad: "neither a number"},
		{in: "nofile=1:2:3", bad: "neither a number"},
		{in: "files=1", bad: "no limit is called"},
		{in: "=1", bad: "no limit is called"},
	} {
		got, err := ParseUlimit(test.in)
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && (got.Soft != test.soft || got.Hard != test.hard) {
			t.Errorf("%q: %+v", test.in, got)
		}
	}
}

func TestRlimitsOfAContainer(t *testing.T) {
	limit := func(opts Options, host Host) specs.POSIXRlimit {
		s, err := Build(opts, shellImage(), host)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(s.Process.Rlimits, func(l specs.POSIXRlimit) bool { return l.Type == "RLIMIT_NOFILE" })
		return s.Process.Rlimits[i]
	}
	host := testHost()
	if l := limit(Options{}, host); l.Soft != 1024 || l.Hard != 524288 {
		t.Errorf("default %+v", l)
	}
	if l := limit(Options{Ulimits: []string{"nofile=10", "nofile=20:30", "core=0"}}, host); l.Soft != 20 || l.Hard != 30 {
		t.Errorf("given twice: %+v, want the last", l)
	}
	host.HardLimit = func(int) uint64 { return 512 }
	if l := limit(Options{}, host); l.Soft != 512 || l.Hard != 512 {
		t.Errorf("a caller with 512: %+v", l)
	}
	_, err := Build(Options{Ulimits: []string{"nofile=1024"}}, shellImage(), host)
	checkError(t, "above the caller's", err, "your own hard limit of nofile is 512")
}

func TestOOMScore(t *testing.T) {
	host := testHost()
	host.OOMScoreAdj = func() int { return 200 }
	for adj, bad := range map[int]string{200: "", 1000: "", 199: "below your own", -1001: "between", 1001: "between"} {
		s, err := Build(Options{OOMScoreAdj: &adj}, shellImage(), host)
		checkError(t, adj, err, bad)
		if bad == "" && *s.Process.OOMScoreAdj != adj {
			t.Errorf("%d: %d", adj, *s.Process.OOMScoreAdj)
		}
	}
}

func TestExec(t *testing.T) {
	host := testHost()
	host.Open = imageFiles
	s, err := Build(Options{ID: "0123456789abcdef", Env: []string{"A=1"}, Ulimits: []string{"core=0"}, CapDrop: []string{"CHOWN"}}, shellImage(), host)
	if err != nil {
		t.Fatal(err)
	}
	run := func(opts ExecOptions) *specs.Process {
		t.Helper()
		opts.Args = []string{"id"}
		p, err := Exec(opts, s, host)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := run(ExecOptions{})
	if p.User.UID != 0 || p.Cwd != "/" || len(p.Capabilities.Effective) != 13 || len(p.Rlimits) != 2 || !slices.Contains(p.Env, "HOME=/root") {
		t.Errorf("as the container's own: %+v", p)
	}
	p = run(ExecOptions{User: "ann", Workdir: "/tmp", Env: []string{"A=2"}, TTY: true})
	want := []string{"PATH=/bin", "HOSTNAME=0123456789ab", "container=rl", "A=2", "HOME=/home/ann", "TERM=xterm"}
	if p.User.UID != 1000 || p.Cwd != "/tmp" || !p.Terminal || len(p.Capabilities.Effective) != 0 || !slices.Equal(p.Env, want) {
		t.Errorf("as another user: %+v", p)
	}
	if len(s.Process.Args) != 1 || s.Process.Args[0] != "sh" || s.Process.User.UID != 0 {
		t.Errorf("the container's own process has changed: %+v", s.Process)
	}
	if p = run(ExecOptions{Privileged: true, User: "ann"}); len(p.Capabilities.Ambient) != 41 {
		t.Errorf("privileged: %+v", p.Capabilities)
	}
	for _, bad := range []ExecOptions{{}, {Args: []string{"a"}, User: "bob"}, {Args: []string{"a"}, Workdir: "x"}, {Args: []string{"a"}, Env: []string{"="}}} {
		if _, err := Exec(bad, s, host); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
	if _, err := Exec(ExecOptions{Args: []string{"a"}}, &specs.Spec{Process: &specs.Process{}}, host); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("a value of somebody else: %v, want ErrNotBuilt", err)
	}
}

func TestParseSignal(t *testing.T) {
	for in, want := range map[string]syscall.Signal{"TERM": 15, "SIGTERM": 15, "term": 15, "9": 9, "RTMIN+3": 37, "64": 64} {
		if got, err := ParseSignal(in); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "0", "-9", "65", "SIG", "TERMINATE", "1e1"} {
		if got, err := ParseSignal(bad); err == nil {
			t.Errorf("%q: %v, want an error", bad, got)
		}
	}
}

func FuzzParseEnvFile(f *testing.F) {
	f.Add([]byte("A=1\n#c\nCALLER\n\xef\xbb\xbf"))
	f.Fuzz(func(t *testing.T, text []byte) {
		env, err := ParseEnvFile(strings.NewReader(string(text)), testHost().LookupEnv)
		if err != nil {
			return
		}
		for _, e := range env {
			if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsAny(name, " \t\n\x00") {
				t.Errorf("%q gives %q", text, e)
			}
		}
	})
}

func FuzzResolveUser(f *testing.F) {
	f.Add(passwd, group, "ann:wheel")
	f.Add("a:b:c\n::::::\nx:x:-1:99999999999::\n", "g:x:1:a,,b\n", "x")
	f.Fuzz(func(t *testing.T, passwd, group, asked string) {
		id, err := resolveUser(strings.NewReader(passwd), strings.NewReader(group), asked)
		if err == nil && (id.UID > 1<<31-1 || id.GID > 1<<31-1 || id.Home == "") {
			t.Errorf("%q: %+v", asked, id)
		}
	})
}

func FuzzParseUlimit(f *testing.F) {
	f.Add("nofile=1024:2048")
	f.Add("core=-1")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseUlimit(s)
		if err == nil && (l.Soft > l.Hard || !strings.HasPrefix(l.Type, "RLIMIT_")) {
			t.Errorf("%q gives %+v", s, l)
		}
	})
}
