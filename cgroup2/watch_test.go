package cgroup2

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const roleVar = "CGROUP2_TEST_ROLE"

// roles are what the test binary does when it plays a process of a container. It says a line when ready,
// and does the work after it has read one.
var roles = map[string]func(){
	"eat":    func() { ready(); eat(64) },
	"share":  share,
	"parent": parent,
	"idle":   func() { ready() },
	"host":   host,
	"lent":   lent,
}

func ready() {
	os.Stdout.WriteString("ready\n")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// eat holds the given MiB until it is killed.
func eat(mib int) {
	held, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	io.Copy(io.Discard, os.Stdin)
}

// share makes 24 MiB resident in two processes at once: 48 resident, 24 proportional.
func share() {
	const inherited, size = 3, 24 << 20
	second := os.Getenv("SECOND") != ""
	fd := inherited
	if !second {
		fd, _ = unix.MemfdCreate("shared", 0)
		unix.Ftruncate(fd, size)
	}
	held, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	if !second {
		other := play("share", "SECOND=1")
		other.cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(fd), "shared")}
		other.start()
	}
	ready()
}

// parent starts a child that eats, and reports how the child ended.
func parent() {
	child := play("eat")
	child.start()
	ready()
	child.say()
	child.cmd.Wait()
	os.Stdout.WriteString(child.cmd.ProcessState.String() + "\n")
	io.Copy(io.Discard, os.Stdin)
}

// host starts a child that eats in the group it is told, reports how it ended, and stays, as a monitor does:
// without anybody in it the scope is gone, and its counters with it.
func host() {
	os.Stdout.WriteString("ready\n")
	stdin := bufio.NewReader(os.Stdin)
	path, _ := stdin.ReadString('\n')
	g, err := Open(strings.TrimSpace(path))
	if err != nil {
		panic(err)
	}
	child := play("eat")
	child.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.FD()}
	child.start()
	child.say()
	child.cmd.Wait()
	os.Stdout.WriteString(child.cmd.ProcessState.String() + "\n")
	io.Copy(io.Discard, stdin)
}

// lent makes a container's group and leaves it behind.
func lent() {
	ready()
	g, err := Create(context.Background(), Options{ID: testID, PID: os.Getpid()})
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(g.Path() + "\n")
	io.Copy(io.Discard, os.Stdin)
}

// actor is a process that plays a role.
type actor struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func play(role string, env ...string) *actor {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), roleVar+"="+role), env...)
	cmd.Stderr = os.Stderr
	return &actor{cmd: cmd}
}

// start returns when the actor is ready.
func (a *actor) start() {
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		panic(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	a.out = bufio.NewReader(out)
	if err := a.cmd.Start(); err != nil {
		panic(err)
	}
	a.hear()
}

func (a *actor) say() { a.tell("go") }

func (a *actor) tell(line string) { io.WriteString(a.in, line+"\n") }

func (a *actor) hear() string {
	line, _ := a.out.ReadString('\n')
	return strings.TrimSpace(line)
}

// contain makes an actor the init of a pid namespace, and ends it with the test.
func contain(t *testing.T, role string) *actor {
	t.Helper()
	a := play(role)
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	if err := exec.Command("unshare", "-Ur", "true").Run(); err != nil {
		t.Skip("missing: user namespaces for this user")
	}
	a.start()
	t.Cleanup(func() { a.cmd.Process.Kill(); a.cmd.Wait() })
	return a
}

// watch runs Watch until the container ends and returns what was killed.
func watch(t *testing.T, init int, limit int64) <-chan Kill {
	t.Helper()
	kills := make(chan Kill, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, WatchOptions{Init: init, Limit: limit, Killed: func(k Kill) { kills <- k }})
		close(kills)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return kills
}

func TestWatchKillsInit(t *testing.T) {
	a := contain(t, "eat")
	kills := watch(t, a.cmd.Process.Pid, 32<<20)
	a.say()
	k := <-kills
	if k.PID != a.cmd.Process.Pid || !k.Init || k.Usage <= 32<<20 {
		t.Errorf("killed %+v", k)
	}
	a.cmd.Wait()
	if s := a.cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		t.Errorf("init ended with %v", s)
	}
	if k, more := <-kills; more {
		t.Errorf("killed again: %+v", k)
	}
}

func TestWatchKillsTheBiggest(t *testing.T) {
	a := contain(t, "parent")
	kills := watch(t, a.cmd.Process.Pid, 32<<20)
	a.say()
	if k := <-kills; k.Init {
		t.Errorf("killed init instead of its child: %+v", k)
	}
	if got := a.hear(); got != "signal: killed" {
		t.Errorf("the child ended with %q", got)
	}
}

func TestSharedMemoryCountsOnce(t *testing.T) {
	a := contain(t, "share")
	w := watcher{WatchOptions: WatchOptions{Init: a.cmd.Process.Pid, Limit: 40 << 20}}
	var err error
	if w.container, err = newContainer("/proc", w.Init); err != nil {
		t.Fatal(err)
	}
	used, members := w.usage()
	if len(members) != 2 {
		t.Fatalf("found %v", members)
	}
	if sum := members[0].rss + members[1].rss; sum < 48<<20 {
		t.Errorf("resident %d, less than twice the shared memory", sum)
	}
	if used < 24<<20 || used > 40<<20 {
		t.Errorf("used %d, want a little above 24 MiB", used)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	a := contain(t, "idle")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Watch(ctx, WatchOptions{Init: a.cmd.Process.Pid, Limit: 1 << 40}); err != nil {
		t.Error(err)
	}
}

func TestWatchOfTheDead(t *testing.T) {
	a := contain(t, "idle")
	a.say()
	a.cmd.Wait()
	if err := Watch(t.Context(), WatchOptions{Init: a.cmd.Process.Pid, Limit: 1}); err != nil {
		t.Error(err)
	}
}

func TestWorst(t *testing.T) {
	w := watcher{container: container{proc: t.TempDir()}, WatchOptions: WatchOptions{Limit: 1000}}
	adjust := func(pid int, text string) {
		os.MkdirAll(w.path(pid), 0o755)
		os.WriteFile(w.path(pid, "oom_score_adj"), []byte(text+"\n"), 0o644)
	}
	adjust(1, "0")
	adjust(2, "500")
	adjust(3, "-1000")
	if pid, _ := w.worst([]process{{1, 400}, {2, 100}, {3, 9000}}); pid != 2 {
		t.Errorf("chose %d: the adjustment counts and -1000 protects", pid)
	}
	if _, ok := w.worst([]process{{3, 9000}}); ok {
		t.Error("chose a protected process")
	}
	if pid, ok := w.worst([]process{{1, 0}}); !ok || pid != 1 {
		t.Error("chose nobody")
	}
}

func TestInterval(t *testing.T) {
	for name, c := range map[string]struct {
		headroom int64
		cost     time.Duration
		growing  bool
		want     time.Duration
	}{
		"far and at rest":       {1 << 40, 10 * time.Microsecond, false, longest},
		"near and growing":      {1 << 20, 10 * time.Microsecond, true, shortest},
		"near and at rest":      {1 << 20, 10 * time.Microsecond, false, 50 * time.Millisecond},
		"expensive and growing": {0, 10 * time.Millisecond, true, (10*time.Millisecond + wakeCost) * busyShare},
		"expensive and at rest": {0, 10 * time.Millisecond, false, rarest},
		"in between":            {allocRate / 16, 0, true, 62500 * time.Microsecond},
	} {
		if got := interval(c.headroom, c.cost, c.growing); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestParseRollup(t *testing.T) {
	const head = "55f0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 500 kB\n"
	if got := parseRollup(head + "Pss_Anon: 100 kB\nPss_File: 350 kB\nPss_Shmem: 50 kB\n"); got != 150<<10 {
		t.Errorf("got %d", got)
	}
	if got := parseRollup(head); got != 500<<10 {
		t.Errorf("on an old kernel got %d", got)
	}
}

func FuzzParseRollup(f *testing.F) {
	f.Add("Pss: 500 kB\nPss_Anon: 1 kB\n")
	f.Fuzz(func(t *testing.T, text string) { parseRollup(text) })
}

func BenchmarkSample(b *testing.B) {
	c, err := newContainer("/proc", os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.processes()
	}
}
