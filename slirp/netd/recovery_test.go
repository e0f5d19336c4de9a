package netd

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/slirp"
	"golang.org/x/sys/unix"
)

// recovery is how soon everything must be back.
const recovery = 2 * time.Second

// within asks until condition holds, and fails the test when it does not in time.
func within(t *testing.T, d time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(d)
	for tick := time.Tick(5 * time.Millisecond); !condition(); {
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}

// processes lists what runs in the test's pid namespace besides the test, from
// /proc/PID/stat.
func processes(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range directories {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err == nil && pid != 1 && pid != os.Getpid() && !strings.Contains(string(stat), ") Z ") {
			found[pid] = string(stat)
		}
	}
	return found
}

func (c *testContainer) status() *slirp.Status {
	c.t.Helper()
	s, err := c.client.Status(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// echo runs a server in c that sends back what it gets.
func (c *testContainer) echo(address string) {
	l := c.listen("tcp", address)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 100)
				for {
					n, err := conn.Read(b)
					if err != nil {
						return
					}
					conn.Write(b[:n])
				}
			}()
		}
	}()
}

// says reports whether what was written to an echoing connection comes back.
func says(conn net.Conn, text string) error {
	conn.SetDeadline(time.Now().Add(recovery))
	if _, err := fmt.Fprint(conn, text); err != nil {
		return err
	}
	b := make([]byte, len(text))
	if _, err := conn.Read(b); err != nil || string(b) != text {
		return fmt.Errorf("got %q, %v", b, err)
	}
	return nil
}

func testNetdKilled(t *testing.T, uplink string) {
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	h := newHost(t, uplink)
	outside := hostServer(t, hostAddress+":0")
	a, b := h.container("aaaa", "8080:80", "5353:53/udp"), h.container("bbbb")
	go tellAddress(a.listen("tcp4", ":80"))
	a.echo(":7")
	between, err := b.dial("tcp4", net.JoinHostPort(a.IPAddress.String(), "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer between.Close()
	if err := says(between, "before"); err != nil {
		t.Fatal(err)
	}
	before := a.status()
	if err := unix.Kill(before.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, recovery, "the old processes end", func() bool {
		p := processes(t)
		return p[before.PID] == "" && p[before.UplinkPID] == ""
	})
	within(t, recovery, "the published port answers", func() bool {
		got, err := ask(net.Dial("tcp4", hostAddress+":8080"))
		return err == nil && got == hostAddress
	})
	within(t, recovery, "the host is reached", func() bool {
		_, err := ask(b.dial("tcp4", outside))
		return err == nil
	})
	within(t, recovery, "names resolve", func() bool {
		return answerOf(b.resolve("udp4", "example.org.")) == "203.0.113.1"
	})
	if err := says(between, "after"); err != nil {
		t.Errorf("the connection between containers broke: %v", err)
	}
	within(t, recovery, "both containers are attached", func() bool { return a.status().Containers == 2 })
	// A third container must not get an address that is taken.
	if c := h.container("cccc"); c.IPAddress == a.IPAddress || c.IPAddress == b.IPAddress {
		t.Errorf("the new container got %s again", c.IPAddress)
	}
}

func TestNetdKilledWithSlirp4netns(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if onHost(t) {
		testNetdKilled(t, slirp.Slirp4netns)
	}
}

func TestNetdKilledWithPasta(t *testing.T) {
	needUplink(t, slirp.Pasta)
	if onHost(t) {
		testNetdKilled(t, slirp.Pasta)
	}
}

func TestNetdKilledWithBuiltin(t *testing.T) {
	if onHost(t) {
		t.Setenv(envBuiltin, "yes")
		testNetdKilled(t, slirp.Builtin)
	}
}

// A container that starts at the moment the network process dies gets its
// network from the next one.
func TestAttachWhileNetdDies(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	first := h.container("aaaa")
	first.echo(":7")
	for i := range 10 {
		client := h.client()
		unix.Kill(first.status().PID, unix.SIGKILL)
		a, err := client.Attach(t.Context(), newNetns(t), slirp.Endpoint{ID: fmt.Sprint("bbbb", i)})
		if err != nil {
			t.Fatal(err)
		}
		if a.IPAddress == first.IPAddress {
			t.Fatalf("the new container got the address of the old one, %s", a.IPAddress)
		}
		within(t, recovery, "all are attached", func() bool {
			s, err := first.client.Status(t.Context())
			return err == nil && s.Containers == i+2
		})
	}
	second := h.container("cccc")
	within(t, recovery, "the first container is reached", func() bool {
		conn, err := second.dial("tcp4", net.JoinHostPort(first.IPAddress.String(), "7"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func TestUplinkKilled(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	c := h.container("cccc")
	uplink := c.status().UplinkPID
	if uplink == 0 {
		t.Fatal("no uplink runs")
	}
	unix.Kill(uplink, unix.SIGKILL)
	within(t, recovery, "the host is reached again", func() bool {
		_, err := ask(c.dial("tcp4", outside))
		return err == nil
	})
}

func TestLastOneOutEndsEverything(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	a, b := h.container("aaaa"), h.container("bbbb", "8080:80")
	if err := a.client.Detach(t.Context(), "aaaa", ""); err != nil {
		t.Fatal(err)
	}
	a.client.Close()
	if b.status().UplinkPID == 0 {
		t.Error("the uplink ended before the last container")
	}
	b.client.Close()
	within(t, recovery, "no process is left", func() bool { return len(processes(t)) == 0 })
	left, err := filepath.Glob(filepath.Join(h.runtime, "*.sock"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// An uplink program that is installed but fails is passed over.
func TestNextUplinkWhenTheFirstFails(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, slirp.Pasta), []byte("#!/bin/sh\necho no >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if c := newHost(t, slirp.Pasta, slirp.Slirp4netns).container("cccc"); c.Uplink != slirp.Slirp4netns {
		t.Errorf("uplink is %q", c.Uplink)
	}
}

func TestUplinkOfItsOwnChoice(t *testing.T) {
	want := ""
	for _, name := range slirp.Uplinks() {
		path, err := slirp.FindUplink(name)
		if err == nil && slirp.CheckUplink(name, path) == nil {
			want = name
			break
		}
	}
	if want == "" {
		skip(t, "pasta or slirp4netns")
	}
	if !onHost(t) {
		return
	}
	if c := newHost(t).container("cccc"); c.Uplink != want {
		t.Errorf("uplink is %q, want %q", c.Uplink, want)
	}
}

// What the starting monitor has open by mistake must not stay open in the
// network process: somebody may wait for its end.
func TestNetdClosesWhatItInherits(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], 0); err != nil { // not closed on exec
		t.Fatal(err)
	}
	newHost(t, slirp.Slirp4netns).container("cccc")
	unix.Close(ends[1])
	r := os.NewFile(uintptr(ends[0]), "pipe")
	defer r.Close()
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(r)
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(recovery):
		t.Error("a process still holds the pipe open")
	}
}

// Without any uplink containers still start, reach one another, and say what
// they lack.
func TestNoUplink(t *testing.T) {
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Builtin) // which this test program does not have
	c := h.client()
	a, err := c.Attach(t.Context(), newNetns(t), slirp.Endpoint{ID: "aaaa"})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Warnings) != 1 || a.Uplink != "" {
		t.Errorf("warnings %q, uplink %q", a.Warnings, a.Uplink)
	}
}

// A port that somebody else took while there was no network process is lost,
// with a word about it, and the container keeps everything else.
func TestPortLostWhileNetdWasDead(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	warnings := make(chan string, 1)
	c := h.containerOf(h.clientWith(func(line string) { warnings <- line }), "cccc", "8080:80", "8081:80")
	// The lock keeps the client from starting another process for now.
	lock, err := os.OpenFile(filepath.Join(h.runtime, "netd.start.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	old, err := process.Identify(c.status().PID)
	if err != nil {
		t.Fatal(err)
	}
	unix.Kill(old.PID, unix.SIGKILL)
	awaitEnd(old)
	hostServer(t, ":8080")
	lock.Close()
	if w := <-warnings; !strings.Contains(w, "8080") {
		t.Errorf("warning is %q", w)
	}
	go tellAddress(c.listen("tcp4", ":80"))
	if got, err := ask(net.Dial("tcp4", hostAddress+":8081")); err != nil || got != hostAddress {
		t.Errorf("the other port: %q, %v", got, err)
	}
	if _, err := ask(c.dial("tcp4", outside)); err != nil {
		t.Errorf("the way out: %v", err)
	}
}

// A client that was killed after starting a network process leaves one that
// nobody waits for; the next client's must not wait for its end.
func TestSecondNetdGivesWay(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	c := h.container("cccc")
	ready, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	second := again(roleNetd)
	second.ExtraFiles = []*os.File{theirs}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if b, err := io.ReadAll(ready); err != nil || len(b) != 1 {
		t.Errorf("the second one said %q, %v", b, err)
	}
	if err := second.Wait(); err != nil {
		t.Error(err)
	}
	if s := c.status(); s.Containers != 1 || s.PID == second.Process.Pid {
		t.Errorf("the first one's status is %+v", s)
	}
}

// Of many monitors that start at once, one starts the network process.
func TestManyStartAtOnce(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	type result struct {
		ip  string
		err error
	}
	results := make(chan result)
	const n = 16
	for i := range n {
		netns := newNetns(t)
		go func() {
			c, err := slirp.Connect(t.Context(), slirp.Options{RuntimeDir: h.runtime, Command: []string{"/proc/self/exe"}, Log: os.Stderr})
			if err != nil {
				results <- result{err: err}
				return
			}
			t.Cleanup(func() { c.Close() })
			a, err := c.Attach(t.Context(), netns, slirp.Endpoint{ID: fmt.Sprint(i)})
			if err != nil {
				results <- result{err: err}
				return
			}
			results <- result{ip: a.IPAddress.String()}
		}()
	}
	seen := map[string]bool{}
	for range n {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		seen[r.ip] = true
	}
	if len(seen) != n {
		t.Errorf("%d containers got %d addresses", n, len(seen))
	}
	if p := processes(t); len(p) != 2 {
		t.Errorf("processes: %v, want the network process and the uplink", p)
	}
}
