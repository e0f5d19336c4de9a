package spec

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rl-project/rl/storage"
)

func TestParseVolume(t *testing.T) {
	bind := func(source, target string) Mount {
		return Mount{Kind: KindBind, Source: source, Target: target, CreateSource: true}
	}
	with := func(m Mount, change func(*Mount)) Mount { change(&m); return m }
	for _, test := range []struct {
		in   string
		want Mount
		bad  string // part of the error
	}{
		{in: "/src:/dst", want: bind("/src", "/dst")},
		{in: "/src/../x:/dst/./y/", want: bind("/x", "/dst/y")},
		{in: ".:/dst", want: bind("/home/ann", "/dst")},
		{in: "./sub:/dst", want: bind("/home/ann/sub", "/dst")},
		{in: "../bob:/dst", want: bind("/home/bob", "/dst")},
		{in: "/src:/dst:ro", want: with(bind("/src", "/dst"), func(m *Mount) { m.ReadOnly = true })},
		{in: "/src:/dst:rw,z", want: bind("/src", "/dst")},
		{in: "/src:/dst:ro,rslave,Z", want: with(bind("/src", "/dst"), func(m *Mount) { m.ReadOnly, m.Propagation = true, "rslave" })},
		{in: "data:/dst", want: Mount{Kind: KindVolume, Source: "data", Target: "/dst"}},
		{in: "data:/dst:ro,nocopy", want: Mount{Kind: KindVolume, Source: "data", Target: "/dst", ReadOnly: true, NoCopy: true}},
		{in: "/dst", want: Mount{Kind: KindVolume, Target: "/dst"}},

		{in: "", bad: "absolute"},
		{in: "data", bad: "must be absolute"},
		{in: "/src:dst", bad: `"dst", must be absolute`},
		{in: "/src:/", bad: "must not be /"},
		{in: ":/dst", bad: "source before the colon is empty"},
		{in: "/src:", bad: "absolute"},
		{in: "/src:/dst:", bad: "options after the second colon are empty"},
		{in: "/src:/dst:ro:x", bad: "too many colons"},
		{in: "/src:/dst:ro,rw", bad: "give one"},
		{in: "/src:/dst:shared,slave", bad: "give one propagation"},
		{in: "/src:/dst:sync", bad: `unknown option "sync"`},
		{in: "/src:/dst:nocopy", bad: "nocopy is for volumes"},
		{in: "data:/dst:shared", bad: "shared is for paths"},
		{in: "a/b:/dst", bad: "./a/b"},
		{in: "a:/dst", bad: "two characters"},
		{in: "-x:/dst", bad: "not a volume's name"},
	} {
		got, err := ParseVolume(test.in, "/home/ann")
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: %+v, want %+v", test.in, got, test.want)
		}
	}
}

// checkError wants an error on one line that contains bad, or none when bad is empty.
func checkError(t *testing.T, in any, err error, bad string) {
	t.Helper()
	switch {
	case bad == "" && err != nil:
		t.Errorf("%q: %v", in, err)
	case bad != "" && err == nil:
		t.Errorf("%q: no error, want one about %q", in, bad)
	case bad != "" && (!strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), "\n")):
		t.Errorf("%q: error %q, want one line about %q", in, err, bad)
	}
}

func TestParseMount(t *testing.T) {
	dir := t.TempDir()
	safe := []string{"noexec", "nosuid", "nodev"}
	for _, test := range []struct {
		in   string
		want Mount
		bad  string
	}{
		{in: "type=bind,source=" + dir + ",target=/x", want: Mount{Kind: KindBind, Source: dir, Target: "/x"}},
		{in: "type=bind,src=.,dst=/x,readonly", want: Mount{Kind: KindBind, Source: dir, Target: "/x", ReadOnly: true}},
		{in: "type=bind,src=.,dst=/x,ro=false", want: Mount{Kind: KindBind, Source: dir, Target: "/x"}},
		{in: "type=bind,src=.,dst=/x,ro=1,bind-recursive=writable", want: Mount{Kind: KindBind, Source: dir, Target: "/x",
			ReadOnly: true, WritableBelow: true}},
		{in: "type=bind,src=.,dst=/x,bind-recursive=disabled", want: Mount{Kind: KindBind, Source: dir, Target: "/x", NonRecursive: true}},
		{in: "type=bind,src=.,dst=/x,bind-propagation=rshared", want: Mount{Kind: KindBind, Source: dir, Target: "/x", Propagation: "rshared"}},
		{in: "type=bind,src=missing,dst=/x,bind-create-src", want: Mount{Kind: KindBind, Source: path.Join(dir, "missing"),
			Target: "/x", CreateSource: true}},
		{in: "source=data,target=/x", want: Mount{Kind: KindVolume, Source: "data", Target: "/x"}},
		{in: "type=volume,target=/x", want: Mount{Kind: KindVolume, Target: "/x"}},
		{in: `type=volume,source=data,target=/x,volume-nocopy,volume-label=a=b,volume-driver=local,volume-subpath=s/t,consistency=cached`,
			want: Mount{Kind: KindVolume, Source: "data", Target: "/x", NoCopy: true, Labels: map[string]string{"a": "b"}, Subpath: "s/t"}},
		{in: "type=tmpfs,target=/x", want: Mount{Kind: KindTmpfs, Target: "/x", Options: safe}},
		{in: "type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=700", want: Mount{Kind: KindTmpfs, Target: "/x",
			Options: append(slices.Clone(safe), "size=1048576", "mode=700")}},
		{in: `"type=bind","src=.","dst=/a,b"`, want: Mount{Kind: KindBind, Source: dir, Target: "/a,b"}},

		{in: "", bad: "write type=bind"},
		{in: "type=bind,target=/x", bad: "source is missing"},
		{in: "type=bind,source=.", bad: "target is missing"},
		{in: "type=bind,source=missing,target=/x", bad: "does not exist"},
		{in: "type=bind,source=.,target=x", bad: "must be absolute"},
		{in: "type=bind,source=.,target=/x,tmpfs-size=1m", bad: "tmpfs-size is not for type=bind"},
		{in: "type=bind,source=.,target=/x,volume-nocopy", bad: "volume-nocopy is not for type=bind"},
		{in: "type=bind,source=.,target=/x,bind-recursive=writable", bad: "is for readonly"},
		{in: "type=bind,source=.,target=/x,bind-recursive=x", bad: "choose enabled"},
		{in: "type=bind,source=.,target=/x,bind-propagation=x", bad: "choose [r]private"},
		{in: "type=bind,source=.,target=/x,readonly=perhaps", bad: "say true or false"},
		{in: "type=tmpfs,source=x,target=/x", bad: "source is not for type=tmpfs"},
		{in: "type=tmpfs,target=/x,tmpfs-mode=999", bad: "octal"},
		{in: "type=tmpfs,target=/x,tmpfs-size=big", bad: "tmpfs-size"},
		{in: "type=image,source=alpine,target=/x", bad: "choose bind, volume or tmpfs"},
		{in: "type=volume,source=a/b,target=/x", bad: "not a volume's name"},
		{in: "type=volume,source=data,target=/x,volume-driver=nfs", bad: "only local"},
		{in: "type=volume,source=data,target=/x,volume-subpath=../x", bad: "leads out"},
		{in: "type=bind,colour=red", bad: "unknown key"},
		{in: "type=bind,source=,target=/x", bad: "needs a value"},
	} {
		got, err := ParseMount(test.in, dir)
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: %+v, want %+v", test.in, got, test.want)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for _, test := range []struct{ in, want, bad string }{
		{in: "/x", want: "noexec,nosuid,nodev"},
		{in: "/x:", want: "noexec,nosuid,nodev"},
		{in: "/x:size=64m,mode=1770", want: "noexec,nosuid,nodev,size=67108864,mode=1770"},
		{in: "/x:size=64mb", want: "noexec,nosuid,nodev,size=67108864"},
		{in: "/x:size=50%", want: "noexec,nosuid,nodev,size=50%"},
		{in: "/x:exec,dev", want: "nosuid"},
		{in: "/x:exec,noexec", want: "nosuid,nodev,noexec"},
		{in: "/x:size=1k,size=2k", want: "noexec,nosuid,nodev,size=2048"},
		{in: "/x:ro,uid=5,gid=6,nr_inodes=1k", want: "noexec,nosuid,nodev,ro,uid=5,gid=6,nr_inodes=1024"},
		{in: "/x:noatime,relatime,sync,rw", want: "noexec,nosuid,nodev"},
		{in: "", bad: "must be absolute"},
		{in: "x", bad: "must be absolute"},
		{in: "/x:bogus", bad: `unknown option "bogus"`},
		{in: "/x:size=", bad: "size"},
		{in: "/x:size=-1", bad: "size"},
		{in: "/x:size=%", bad: "size"},
		{in: "/x:mode=9", bad: "mode"},
		{in: "/x:uid=-1", bad: "uid"},
		{in: "/x:,", bad: "unknown option"},
	} {
		m, err := parseTmpfs(test.in)
		checkError(t, test.in, err, test.bad)
		if got := strings.Join(m.Options, ","); test.bad == "" && (got != test.want || m.Target != "/x") {
			t.Errorf("%q: %s, want %s", test.in, got, test.want)
		}
	}
}

func TestParseDevice(t *testing.T) {
	for _, test := range []struct{ in, src, dst, bad string }{
		{in: "/dev/fuse", src: "/dev/fuse", dst: "/dev/fuse"},
		{in: "/dev/fuse:rwm", src: "/dev/fuse", dst: "/dev/fuse"},
		{in: "/dev/fuse:/dev/x", src: "/dev/fuse", dst: "/dev/x"},
		{in: "/dev/fuse:/dev/x:rw", src: "/dev/fuse", dst: "/dev/x"},
		{in: "fuse", bad: "must be absolute"},
		{in: "", bad: "must be absolute"},
		{in: "/dev/fuse:/dev/x:q", bad: "letters of rwm"},
		{in: "/dev/fuse:r", bad: "cannot be enforced"},
		{in: "/dev/fuse:/dev/x:m", bad: "cannot be enforced"},
		{in: "/dev/a:/dev/b:rw:x", bad: "write HOST"},
	} {
		src, dst, err := ParseDevice(test.in)
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && (src != test.src || dst != test.dst) {
			t.Errorf("%q: %s, %s; want %s, %s", test.in, src, dst, test.src, test.dst)
		}
	}
}

func destinations(t *testing.T, opts Options) []string {
	t.Helper()
	s, _ := mustBuild(t, opts)
	var list []string
	for _, m := range s.Mounts {
		list = append(list, m.Destination)
	}
	return list
}

func TestUserMountsComeLastOuterFirst(t *testing.T) {
	list := destinations(t, Options{Volumes: []string{"/a:/x/y/z", "/b:/x"}, Tmpfs: []string{"/x/y"}})
	if got := list[len(list)-3:]; !slices.Equal(got, []string{"/x", "/x/y", "/x/y/z"}) {
		t.Errorf("order %v", got)
	}
}

func TestUserMountReplacesDefaults(t *testing.T) {
	for _, target := range []string{"/dev/shm", "/sys/fs/cgroup", "/dev/null", "/etc/hosts"} {
		host := testHost()
		host.Files = map[string]string{"/etc/hosts": "/run/hosts"}
		s, err := Build(Options{Volumes: []string{"/src:" + target}}, shellImage(), host)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range s.Mounts {
			if m.Destination == target {
				n++
			}
		}
		if m, _ := mount(s, target); n != 1 || m.Source != "/src" {
			t.Errorf("%s is mounted %d times, first from %s; want once, from /src", target, n, m.Source)
		}
	}
	for _, d := range destinations(t, Options{Volumes: []string{"/dev:/dev"}}) {
		if strings.HasPrefix(d, "/dev/") {
			t.Errorf("%s is mounted although the user mounts /dev", d)
		}
	}
}

func TestMountsOnOnePathAreRefused(t *testing.T) {
	_, err := Build(Options{Volumes: []string{"/a:/x"}, Tmpfs: []string{"/x/"}}, shellImage(), testHost())
	checkError(t, "twice", err, "duplicate mount point: /x")
}

func TestMissingSourcesOfVolumesAreToBeMade(t *testing.T) {
	_, facts := mustBuild(t, Options{Volumes: []string{"./a:/x", "/b:/y"}, Mounts: []string{"type=bind,src=/,dst=/z"}})
	if want := []string{"/home/ann/a", "/b"}; !slices.Equal(facts.CreateSources, want) {
		t.Errorf("to be made: %v, want %v", facts.CreateSources, want)
	}
}

func TestBindOptions(t *testing.T) {
	for in, want := range map[string]string{
		"/a:/x":           "rbind,rprivate",
		"/a:/x:ro":        "rbind,rro,rprivate",
		"/a:/x:ro,shared": "rbind,rro,shared",
	} {
		s, _ := mustBuild(t, Options{Volumes: []string{in}})
		if m, _ := mount(s, "/x"); strings.Join(m.Options, ",") != want {
			t.Errorf("%s: %v, want %s", in, m.Options, want)
		}
	}
	s, _ := mustBuild(t, Options{Mounts: []string{"type=bind,src=/,dst=/x,ro,bind-nonrecursive"}})
	if m, _ := mount(s, "/x"); strings.Join(m.Options, ",") != "bind,ro,rprivate" {
		t.Errorf("not recursive: %v", m.Options)
	}
}

func TestVolumes(t *testing.T) {
	host := testHost()
	_, err := Build(Options{Volumes: []string{"data:/x"}}, shellImage(), host)
	checkError(t, "volumes without a store", err, "volumes are not available")

	var asked []string
	host.Volume = func(m *Mount) (string, error) {
		asked = append(asked, m.Source+":"+m.Target)
		return fmt.Sprintf("/volumes/%d", len(asked)), nil
	}
	img := shellImage()
	img.Volumes = map[string]struct{}{"/var/lib/b": {}, "/var/lib/a": {}, "/data": {}, "": {}}
	s, err := Build(Options{Volumes: []string{"data:/data"}}, img, host)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"data:/data", ":/var/lib/a", ":/var/lib/b"}; !slices.Equal(asked, want) {
		t.Errorf("volumes asked for: %v, want %v", asked, want)
	}
	if m, ok := mount(s, "/var/lib/a"); !ok || m.Source != "/volumes/2" {
		t.Errorf("the image's volume is %+v", m)
	}
	facts, err := FactsOf(s)
	if err != nil || len(facts.Volumes) != 3 {
		t.Errorf("volumes in the facts: %v, %v", facts.Volumes, err)
	}
}

func TestHostNetworkBindsSys(t *testing.T) {
	s, _ := mustBuild(t, Options{Network: "host"})
	m, _ := mount(s, "/sys")
	if m.Type != "bind" || !slices.Contains(m.Options, "rro") {
		t.Errorf("/sys with the host's network: %+v, want a read-only bind", m)
	}
	if s.Hostname != "machine" {
		t.Errorf("host name %q, want the host's", s.Hostname)
	}
	if s.Linux.Sysctl != nil {
		t.Errorf("sysctls %v would be the host's", s.Linux.Sysctl)
	}
}

func TestHostProcessesBindProc(t *testing.T) {
	for mode, want := range map[string]string{"host": "bind", "": "proc", "container:abc": "proc"} {
		s, _ := mustBuild(t, Options{PID: mode})
		if m, _ := mount(s, "/proc"); m.Type != want {
			t.Errorf("--pid %q: /proc is %q, want %q", mode, m.Type, want)
		}
	}
}

func TestDevptsWithoutTTYGroup(t *testing.T) {
	host := testHost()
	host.GIDs = host.GIDs[:1]
	s, err := Build(Options{}, storage.Config{Cmd: []string{"sh"}}, host)
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := mount(s, "/dev/pts"); slices.Contains(m.Options, "gid=5") {
		t.Errorf("gid 5 is not mapped and asked for: %v", m.Options)
	}
}

func TestSharedMemory(t *testing.T) {
	for mode, want := range map[string]string{"": "tmpfs", "private": "tmpfs", "shareable": "tmpfs", "host": "bind", "none": "",
		"container:abc": "bind"} {
		s, facts := mustBuild(t, Options{IPC: mode, ShmSize: "1m"})
		m, _ := mount(s, "/dev/shm")
		if m.Type != want {
			t.Errorf("--ipc %q: /dev/shm is %q, want %q", mode, m.Type, want)
		}
		if want == "tmpfs" && !slices.Contains(m.Options, "size=1048576") {
			t.Errorf("--ipc %q: %v", mode, m.Options)
		}
		if mode == "container:abc" && facts.Join["ipc"] != "abc" {
			t.Errorf("joins %v", facts.Join)
		}
	}
	for _, bad := range []string{"0", "-1", "lots"} {
		_, err := Build(Options{ShmSize: bad}, shellImage(), testHost())
		checkError(t, bad, err, "--shm-size")
	}
}

func FuzzParseVolume(f *testing.F) {
	for _, s := range []string{"/a:/b:ro,z", "data:/x", ".:/x", "/x", "::", "/a:/b:rshared"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseVolume(s, "/home/ann")
		if err == nil {
			checkMount(t, m)
		}
	})
}

func FuzzParseMount(f *testing.F) {
	for _, s := range []string{"type=bind,src=/,dst=/x,ro", "type=tmpfs,dst=/x,tmpfs-size=5%", `"type=volume","dst=/a,b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMount(s, "/home/ann")
		if err == nil {
			checkMount(t, m)
		}
	})
}

func FuzzParseTmpfs(f *testing.F) {
	for _, s := range []string{"/x", "/x:size=1m,exec", "/x:mode=1777,uid=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseTmpfs(s)
		if err != nil {
			return
		}
		checkMount(t, m)
		// What was accepted and passed on is accepted again and means the same.
		again, err := tmpfsOptions(strings.Join(m.Options, ","))
		if err != nil {
			t.Errorf("%q gives %v, which is refused: %v", s, m.Options, err)
		}
		slices.Sort(again)
		slices.Sort(m.Options)
		for _, o := range m.Options {
			if !slices.Contains(again, o) {
				t.Errorf("%q gives %v, and that gives %v", s, m.Options, again)
			}
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	f.Add("/dev/fuse:/dev/x:rwm")
	f.Fuzz(func(t *testing.T, s string) {
		src, dst, err := ParseDevice(s)
		if err == nil && (!path.IsAbs(src) || !path.IsAbs(dst)) {
			t.Errorf("%q gives %q, %q", s, src, dst)
		}
	})
}

// checkMount is what every accepted mount must be, whatever the words were.
func checkMount(t *testing.T, m Mount) {
	t.Helper()
	if !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target || m.Target == "/" || strings.Contains(m.Target, "\x00") {
		t.Errorf("target %q", m.Target)
	}
	if m.Kind == KindBind && (!path.IsAbs(m.Source) || strings.Contains(m.Source, "\x00")) {
		t.Errorf("source of a bind %q", m.Source)
	}
	if m.Kind == KindVolume && strings.ContainsAny(m.Source, "/\x00") {
		t.Errorf("volume %q", m.Source)
	}
	if m.Kind != KindBind && m.CreateSource {
		t.Errorf("%s with a source to be made", m.Kind)
	}
}
