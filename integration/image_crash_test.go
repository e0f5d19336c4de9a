package integration

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// imageCrash is a crash test of what makes, moves and removes images.
type imageCrash struct {
	*crash
	rootfs, saved []byte
	works         []*work
}

// work is something that is killed.
type work struct {
	args  []string
	input []byte
	makes string        // an image, or ""
	takes time.Duration // when nobody kills it
}

// What makes an image, fills a container or removes something is killed at random
// moments; nothing is half there, nobody stays paused, and the next one works.
func TestImageCrash(t *testing.T) {
	seed := seedOfCrash()
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			t.Logf("to do the same again: -crash.seed=%d", seed)
			c := newImageCrash(t, who.account, seed)
			before := storeFiles(t, c.Env)
			c.all(t)
			for range max(4, *crashRounds/4) {
				c.round(t)
			}
			if c.killed == 0 {
				t.Error("no process was killed: the moments are wrong")
			}
			c.all(t)
			if !c.Account.Root() {
				t.Run("podman", c.readByPodman)
			}
			c.clear(t)
			if now := storeFiles(t, c.Env); !slices.Equal(before, now) {
				t.Errorf("in the store: %v", difference(before, now))
			}
		})
	}
}

func newImageCrash(t *testing.T, who func() (Account, error), seed uint64) *imageCrash {
	e := Fresh(t, who)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	c := &imageCrash{crash: &crash{Env: e, random: rand.New(rand.NewPCG(seed, 0))}}
	c.rootfs = tarOf(t, textFile("big", strings.Repeat("of an import ", 300_000)), textFile("small", "s"))
	c.OK(t, "create", "--name", "still", Image, "sleep", "1000")
	c.OK(t, "create", "--name", "taker", Image, "sleep", "1000")
	c.Cmd("cp", "-", "still:/").Stdin(bytes.NewReader(c.rootfs)).Run(t).OK(t)
	c.OK(t, "run", "-d", "--name", "busy", Image, "sh", "-c", "test -e /big || head -c 3000000 /dev/zero >/big; echo ready; exec sleep 1000")
	c.Cmd("logs", "-f", "busy").Start(t).Expect(t, "ready")
	other := tarOf(t, textFile("big", strings.Repeat("of an archive ", 300_000)))
	c.Cmd("import", "-", "crash:loaded").Stdin(bytes.NewReader(other)).Run(t).OK(t)
	c.saved = []byte(c.OK(t, "save", "crash:loaded"))
	c.OK(t, "rmi", "crash:loaded")
	c.works = []*work{
		{args: []string{"commit", "busy", "crash:busy"}, makes: "crash:busy"},
		{args: []string{"commit", "still", "crash:still"}, makes: "crash:still"},
		{args: []string{"import", "-", "crash:imported"}, input: c.rootfs, makes: "crash:imported"},
		{args: []string{"load", "-q"}, input: c.saved, makes: "crash:loaded"},
		{args: []string{"tag", Image, "crash:tagged"}, makes: "crash:tagged"},
		{args: []string{"cp", "-", "taker:/"}, input: c.rootfs},
	}
	return c
}

func (c *imageCrash) cmd(w *work) *Cmd { return c.Cmd(w.args...).Stdin(bytes.NewReader(w.input)) }

// all does everything once without killing it, and looks at what came.
func (c *imageCrash) all(t *testing.T) {
	t.Helper()
	c.clear(t)
	for _, w := range c.works {
		begin := time.Now()
		c.cmd(w).Run(t).OK(t)
		w.takes = time.Since(begin)
		c.whole(t, w)
	}
	c.OK(t, "start", "taker")
	c.Want(t, "3900000 of an import", "exec", "taker", "sh", "-c", "echo $(wc -c </big) $(tail -c 13 /big)")
}

// round kills one of the works, or the removal of what it made, at some moment
// from its begin to a little after its usual end.
func (c *imageCrash) round(t *testing.T) {
	w := c.works[c.random.IntN(len(c.works))]
	doing := c.cmd(w)
	if there := c.made(t); w.makes != "" && slices.Contains(there, w.makes) {
		doing = c.Cmd("rmi", w.makes)
	}
	running := doing.Start(t)
	<-time.After(time.Duration(c.random.Int64N(int64(w.takes))))
	c.strike(t)
	running.Wait(t)
	c.quiet(t)
	for _, name := range []string{"busy", "taker"} {
		c.Until(t, "false", "inspect", "-f", "{{.State.Paused}}", name)
		c.OK(t, "start", name)
		c.OK(t, "exec", name, "true")
	}
	c.whole(t, w)
}

// quiet waits for the process in the user namespace, which may have lost only the
// one that started it, and is on its way to its end.
func (c *imageCrash) quiet(t *testing.T) {
	t.Helper()
	for _, p := range c.Processes() {
		if p.Ours && len(p.Args) > 1 && slices.Contains([]string{"commit", "import", "load", "tag", "rmi", "cp", "unpack"}, p.Args[1]) {
			WaitGone(t, p.PID)
		}
	}
}

// made are the images of works that are there.
func (c *imageCrash) made(t *testing.T) []string {
	t.Helper()
	return strings.Fields(c.OK(t, "images", "--format", "{{.Repository}}:{{.Tag}}", "crash"))
}

// whole demands that what a work makes is there with all that belongs to it, or
// not there.
func (c *imageCrash) whole(t *testing.T, w *work) {
	t.Helper()
	if there := c.made(t); w.makes != "" && slices.Contains(there, w.makes) {
		c.OK(t, "image", "inspect", w.makes)
		c.OK(t, "save", "-o", "/dev/null", w.makes)
	}
}

func (c *imageCrash) clear(t *testing.T) {
	t.Helper()
	if there := c.made(t); len(there) > 0 {
		c.OK(t, append([]string{"rmi", "-f"}, there...)...)
	}
	c.OK(t, "image", "prune", "-f") // one may have been killed before it gave the name
}

func (c *imageCrash) readByPodman(t *testing.T) {
	Need(t, Podman)
	c.config(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n")
	t.Cleanup(func() { c.Tool("podman", "system", "migrate").Run(t) })
	listed := c.Tool("podman", "images", "--format", "{{.Repository}}:{{.Tag}}").Run(t).OK(t)
	for _, name := range c.made(t) {
		if !strings.Contains(listed, name) {
			t.Errorf("podman lists %q without %s", listed, name)
		}
		c.Tool("podman", "save", "-q", "-o", "saved.tar", name).In(c.Home).Run(t).OK(t)
		c.Tool("rm", filepath.Join(c.Home, "saved.tar")).Run(t).OK(t)
	}
}
