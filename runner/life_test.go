package runner

import (
	"testing"
	"time"

	"github.com/rl-project/rl/runner/spec"
)

func TestBackoffDoublesToAMinuteAndStartsAnewAfterALongLife(t *testing.T) {
	var b backoff
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000}
	for i, ms := range want {
		if b.next(time.Second); b.delay != ms*time.Millisecond {
			t.Errorf("delay %d is %v, want %v ms", i, b.delay, int64(ms))
		}
	}
	if b.next(longLife); b.delay != firstDelay {
		t.Errorf("after a long life the delay is %v", b.delay)
	}
}

func TestAgainFollowsThePolicy(t *testing.T) {
	failed, done, third := State{ExitCode: 1}, State{}, State{ExitCode: 1, Restarts: 3}
	for _, c := range []struct {
		policy string
		state  State
		want   bool
	}{
		{"no", failed, false},
		{"", failed, false},
		{"always", done, true},
		{"always", failed, true},
		{"unless-stopped", done, true},
		{"on-failure", done, false},
		{"on-failure", third, true},
		{"on-failure:3", failed, true},
		{"on-failure:3", third, false},
		{"on-failure:3", done, false},
	} {
		p, err := spec.ParseRestart(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := again(p, c.state); got != c.want {
			t.Errorf("%s after code %d and %d restarts: %v", c.policy, c.state.ExitCode, c.state.Restarts, got)
		}
	}
}
