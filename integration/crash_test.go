package integration

import (
	"flag"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	crashSeed   = flag.Uint64("crash.seed", 0, "seed of the crash test; 0 takes a new one, which is printed")
	crashRounds = flag.Int("crash.rounds", 100, "how often the crash test kills")
)

// crash is one run of the crash test.
type crash struct {
	*Env
	random *rand.Rand
	killed int
}

// seedOfCrash is the seed that was asked for, or another one each time.
func seedOfCrash() uint64 {
	if *crashSeed != 0 {
		return *crashSeed
	}
	return uint64(time.Now().UnixNano())
}

// Every process of rl is killed at random moments of start, exec and stop, and
// what is left can be seen, removed, and is then gone from everywhere.
func TestCrash(t *testing.T) {
	seed := seedOfCrash()
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			t.Logf("to do the same again: -crash.seed=%d", seed)
			e := Fresh(t, who.account)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			e.OK(t, "run", "--rm", Image, "true")
			e.settle(t)
			before := e.disk(t)
			c := &crash{Env: e, random: rand.New(rand.NewPCG(seed, 0))}
			for range *crashRounds {
				c.round(t)
			}
			if c.killed < *crashRounds/2 {
				t.Errorf("only %d processes killed in %d rounds: the moments are wrong", c.killed, *crashRounds)
			}
			// Half-made and half-deleted containers go with the next one removed.
			e.OK(t, "rm", "-f", e.OK(t, "create", Image, "true"))
			for _, l := range e.Leaks() {
				t.Error("left behind:", l)
			}
			if now := e.disk(t); !slices.Equal(before, now) {
				t.Errorf("on disk: %v", difference(before, now))
			}
		})
	}
}

// round does something with a container, kills while it is done, and then
// demands that everything about the container can be told and removed.
func (c *crash) round(t *testing.T) {
	const name = "victim"
	network := []string{"none", "bridge"}[c.random.IntN(2)]
	start := []string{"run", "-d", "--name", name, "--network", network, Image, "sleep", "1000"}
	var doing *Proc
	switch c.random.IntN(3) {
	case 0:
		doing = c.Cmd(start...).Start(t)
	case 1:
		c.OK(t, start...)
		doing = c.Cmd("exec", name, "sleep", "0.01").Start(t)
	case 2:
		c.OK(t, start...)
		doing = c.Cmd("stop", "-t", "0", name).Start(t)
	}
	c.strike(t)
	doing.Wait(t)
	c.tidy(t)
}

// strike kills all or one of rl's processes after a random time within which
// a command begins, works and ends.
func (c *crash) strike(t *testing.T) {
	<-time.After(time.Duration(c.random.IntN(40_000)) * time.Microsecond)
	all := c.random.IntN(2) == 0
	ours := slices.DeleteFunc(c.Processes(), func(p Process) bool { return !p.Ours })
	if len(ours) == 0 {
		return
	}
	if !all {
		ours = ours[c.random.IntN(len(ours)):][:1]
	}
	for _, p := range ours {
		if unix.Kill(p.PID, unix.SIGKILL) == nil {
			c.killed++
		}
	}
	for _, p := range ours {
		WaitGone(t, p.PID)
	}
}

// tidy removes what there is; ps must show only what rm can remove. A monitor
// whose command was killed may still be about to make its container.
func (c *crash) tidy(t *testing.T) {
	t.Helper()
	for begin := time.Now(); ; {
		listed := strings.Fields(c.OK(t, "ps", "-aq"))
		if len(listed) > 1 {
			t.Errorf("ps -a shows %d containers, one was made", len(listed))
		}
		for _, id := range listed {
			c.OK(t, "inspect", id)
			c.OK(t, "rm", "-f", id)
		}
		monitors := slices.DeleteFunc(c.Processes(), func(p Process) bool { return !p.monitor() })
		if len(listed) == 0 && len(monitors) == 0 {
			return
		}
		if time.Since(begin) > patience {
			t.Fatalf("not gone after %v: %v", patience, monitors)
		}
	}
}

// disk lists the files of rl's containers and of the image store, without the
// images' own contents.
func (e *Env) disk(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(e.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.Contains(path, "/diff/") || d.Type()&fs.ModeSocket != 0 {
			return nil
		}
		all = append(all, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
