package integration

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// openFiles counts the descriptors of each process of rl itself, by its number.
func (e *Env) openFiles(t *testing.T) map[int]int {
	t.Helper()
	counts := map[int]int{}
	for _, p := range e.Processes() {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID))
		if err == nil && p.Ours {
			counts[p.PID] = len(entries)
		}
	}
	return counts
}

// Ten thousand short connections through a published port leave no descriptor
// and no process behind.
func TestPortManyConnections(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := e.Name(t)
	e.OK(t, "run", "-d", "--name", name, "-p", "127.0.0.1::80", "-v", e.helper(t, "greeter")+":/greeter:ro", Image, "/greeter", "80")
	address := "127.0.0.1:" + e.hostPort(t, name)
	gateway := e.OK(t, "inspect", "-f", "{{.NetworkSettings.Gateway}}", name)
	visit := func(n int) {
		for range n {
			if got, err := hear(address); got != gateway {
				t.Errorf("heard %q, %v", got, err)
				return
			}
		}
	}
	visit(10) // opens what stays open
	before := e.openFiles(t)
	var visitors sync.WaitGroup
	for range 8 {
		visitors.Go(func() { visit(1250) })
	}
	visitors.Wait()
	// The runtime keeps some pipes, through which data is spliced, until the
	// garbage collector has been there twice.
	const pool = 64
	var after map[int]int
	for end := time.Now().Add(patience); ; {
		after = e.openFiles(t)
		settled := true
		for pid, n := range after {
			settled = settled && n <= before[pid]+pool
		}
		if settled || time.Now().After(end) {
			break
		}
	}
	for pid, n := range after {
		if n > before[pid]+pool {
			t.Errorf("process %d has %d descriptors, before it had %d", pid, n, before[pid])
		}
	}
	if was, are := slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)); !slices.Equal(was, are) {
		t.Errorf("processes %v are now %v", was, are)
	}
}
