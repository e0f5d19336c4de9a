package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/rl-project/rl/integration"
)

// figure is one comparison: the same thing done by several programs.
type figure struct {
	title      string
	contenders []contender
	goals      []goal
	// before is done once, before the measuring; nil for nothing.
	before func() error
	// atOnce is how many run side by side; the time is that of all together.
	atOnce int
	// most is how often at most it is measured; 0 for as often as asked.
	most int
}

// contender is one program's way to do it. Command makes the process of the
// n-th run.
type contender struct {
	name    string
	command func(n int) *integration.Cmd
}

// goal is what rl wants to reach: its time over a peer's at most that much.
type goal struct {
	peer string
	most float64
}

// pause is left after each measurement: what a program still does after it has
// returned, podman's cleanup for example, is not the next one's time.
const pause = 150 * time.Millisecond

// measure runs all contenders in each round, in an order of its own. The first
// round warms up and is not counted.
func (f figure) measure(runs int) (map[string][]time.Duration, error) {
	results := map[string][]time.Duration{}
	if f.before != nil {
		if err := f.before(); err != nil {
			return nil, err
		}
	}
	if f.most > 0 {
		runs = min(runs, f.most)
	}
	n := 0
	for round := range runs + 1 {
		for _, i := range rand.Perm(len(f.contenders)) {
			c := f.contenders[i]
			took, err := f.once(c, n)
			n += max(f.atOnce, 1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				results[c.name] = append(results[c.name], took)
			}
			time.Sleep(pause)
		}
	}
	return results, nil
}

// longest is how long one measurement may take before it is an error.
const longest = 15 * time.Minute

// once measures one contender, whose processes are the n-th and those after.
func (f figure) once(c contender, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	var all []*exec.Cmd
	for i := range max(f.atOnce, 1) {
		all = append(all, c.command(n+i).Process(ctx))
	}
	return clock(all)
}

// clock starts all commands and returns the time until the last has ended.
// Nothing reads their output, so that no thread of ours is in the way.
func clock(all []*exec.Cmd) (time.Duration, error) {
	errs, err := os.CreateTemp("", "bench")
	if err != nil {
		return 0, err
	}
	defer os.Remove(errs.Name())
	defer errs.Close()
	begin := time.Now()
	for _, x := range all {
		x.Stderr = errs
		if err := x.Start(); err != nil {
			return 0, err
		}
	}
	for _, x := range all {
		if werr := x.Wait(); werr != nil {
			err = fmt.Errorf("%v: %w", x.Args, werr)
		}
	}
	took := time.Since(begin)
	if err != nil {
		said, _ := os.ReadFile(errs.Name())
		err = fmt.Errorf("%w: %s", err, said)
	}
	return took, err
}

// quantile is the value below which a share q of the times lies.
func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(float64(len(sorted)-1)*q+0.5)]
}
