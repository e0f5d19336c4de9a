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

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/slirp"
)

// patience is far longer than anything takes, also on a machine that has much
// else to do. Only what never comes is a fault.
const patience = 40 * time.Second

// await asks until condition holds, and says how long that took.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	began := time.Now()
	for tick := time.Tick(5 * time.Millisecond); !condition(); <-tick {
		if time.Since(began) > patience {
			t.Fatalf("never: %s", what)
		}
	}
	t.Logf("after %s: %s", time.Since(began).Round(time.Millisecond), what)
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

// kill kills a process and waits until its sockets are closed.
func kill(t *testing.T, pid int) {
	t.Helper()
	old, err := process.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitEnd(old)
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
	conn.SetDeadline(time.Now().Add(patience))
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
	await(t, "the old processes end", func() bool {
		p := processes(t)
		return p[before.PID] == "" && p[before.UplinkPID] == ""
	})
	await(t, "the published port answers", func() bool {
		got, err := ask(net.Dial("tcp4", hostAddress+":8080"))
		return err == nil && got == hostAddress
	})
	await(t, "the host is reached", func() bool {
		_, err := ask(b.dial("tcp4", outside))
		return err == nil
	})
	await(t, "names resolve", func() bool {
		return answerOf(b.resolve("udp4", "example.org.")) == "203.0.113.1"
	})
	if err := says(between, "after"); err != nil {
		t.Errorf("the connection between containers broke: %v", err)
	}
	await(t, "both containers are attached", func() bool { return a.status().Containers == 2 })
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
		await(t, "all are attached", func() bool {
			s, err := first.client.Status(t.Context())
			return err == nil && s.Containers == i+2
		})
	}
	second := h.container("cccc")
	await(t, "the first container is reached", func() bool {
		conn, err := second.dial("tcp4", net.JoinHostPort(first.IPAddress.String(), "7"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// A network process that is killed when it has made the container's interface,
// and before it says so, leaves that behind; here for good, because its
// namespace is held.
func TestNetdKilledWhileAttaching(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Pasta, slirp.Slirp4netns)
	// An uplink that never comes to work holds the answer up.
	programs, began := t.TempDir(), filepath.Join(h.runtime, "began")
	hang := fmt.Sprintf("#!/bin/sh\necho $PPID $$ >%s.new && mv %s.new %s\nexec sleep 1000\n", began, began, began)
	if err := os.WriteFile(filepath.Join(programs, slirp.Pasta), []byte(hang), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	netns, attached := newNetns(t), make(chan error, 1)
	client := h.client()
	go func() {
		_, err := client.Attach(t.Context(), netns, slirp.Endpoint{ID: "aaaa"})
		attached <- err
	}()
	c := &testContainer{t: t, id: "aaaa", netns: netns}
	await(t, "the interface is there", func() bool {
		return c.in(func() error { _, err := net.InterfaceByName(slirp.DefaultInterface); return err }) == nil
	})
	var netd, uplink int
	await(t, "the uplink has begun", func() bool {
		text, err := os.ReadFile(began)
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(text), &netd, &uplink)
		return err == nil
	})
	held, err := os.Open(fmt.Sprintf("/proc/%d/fd/0", uplink))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := os.Remove(filepath.Join(programs, slirp.Pasta)); err != nil {
		t.Fatal(err)
	}
	unix.Kill(netd, unix.SIGKILL)
	if err := <-attached; err != nil {
		t.Fatal(err)
	}
	outside := hostServer(t, hostAddress+":0")
	if _, err := ask(c.dial("tcp4", outside)); err != nil {
		t.Errorf("the way out: %v", err)
	}
}

func TestUplinkKilled(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	c := h.container("cccc")
	for range 3 { // one that has just begun, too
		uplink := c.status().UplinkPID
		if uplink == 0 {
			t.Fatal("no uplink runs")
		}
		unix.Kill(uplink, unix.SIGKILL)
		await(t, "another uplink is there", func() bool {
			now := c.status().UplinkPID
			return now != 0 && now != uplink
		})
		await(t, "the host is reached again", func() bool {
			_, err := ask(c.dial("tcp4", outside))
			return err == nil
		})
	}
}

// A network process that is started by a new container must find the bridges of
// the one before by itself: when the monitors come is up to the machine.
func TestSurvivingNamespaceIsFound(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	none, err := survivor(h.runtime)
	if none != nil || err != nil {
		t.Fatalf("before there was any: %v, %v", none, err)
	}
	first := h.container("aaaa")
	found, err := survivor(h.runtime)
	if found == nil || err != nil {
		t.Fatalf("held by a monitor: %v, %v", found, err)
	}
	ns, err := newNamespace(found)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.close()
	handle, err := ns.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if _, err := handle.LinkByName(first.HostInterface); err != nil {
		t.Errorf("another namespace was found: %v", err)
	}
	if err := os.WriteFile(filepath.Join(h.runtime, markName), []byte("of another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := survivor(h.runtime); found != nil || err != nil {
		t.Errorf("with another's mark: %v, %v", found, err)
	}
}

// Programs believe "no such name", so nobody must say it about a container
// whose monitor has not come back yet.
func TestNamesAreNotDeniedWhileNetdDies(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	h := newHost(t, slirp.Slirp4netns)
	n := testNetwork("1", "10.104.0.0/24", false)
	asker := h.on(slirp.Endpoint{ID: "asker", Name: "asker", Network: n})
	var others []*testContainer
	for i := range 8 {
		id := fmt.Sprint("other", i)
		others = append(others, h.on(slirp.Endpoint{ID: id, Name: id, Network: n}))
	}
	for range 3 {
		kill(t, asker.status().PID)
		for _, o := range others {
			// Over TCP: the kernel refuses only so many datagrams in a second.
			await(t, o.id+" resolves", func() bool {
				m, err := asker.resolveOnce("tcp4", o.id+".")
				if err == nil && answerOf(m, nil) != o.IPAddress.String() {
					t.Fatalf("%s resolves to %s", o.id, answerOf(m, nil))
				}
				return err == nil
			})
		}
	}
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
	await(t, "no process is left", func() bool { return len(processes(t)) == 0 })
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
	case <-time.After(patience):
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
	kill(t, c.status().PID)
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
