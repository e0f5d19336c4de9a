package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/rl-project/rl/runner/spec"
)

func TestHealthFollowsTheProbes(t *testing.T) {
	started := time.Now()
	o := &spec.Health{Retries: 2, StartPeriod: 10 * time.Second}
	h := Health{Status: Starting}
	for i, c := range []struct {
		after   time.Duration
		code    int
		status  Healthiness
		streak  int
		changed bool
	}{
		{1, 1, Starting, 0, false}, // failures of the start do not count
		{2, 1, Starting, 0, false},
		{11, 1, Starting, 1, false},
		{12, -1, Unhealthy, 2, true},
		{13, 1, Unhealthy, 3, false},
		{14, 0, Healthy, 0, true},
		{15, 1, Healthy, 1, false},
	} {
		changed := h.add(Probe{Start: started.Add(c.after * time.Second), ExitCode: c.code}, o, started)
		if h.Status != c.status || h.FailingStreak != c.streak || changed != c.changed {
			t.Errorf("probe %d: %s, %d failures, changed %v", i, h.Status, h.FailingStreak, changed)
		}
	}
	if len(h.Log) != probesKept || h.Log[4].ExitCode != 1 || h.Log[3].ExitCode != 0 {
		t.Errorf("not the last five: %v", h.Log)
	}
}

func TestFailuresCountInTheStartPeriodOnceHealthy(t *testing.T) {
	started := time.Now()
	o, h := &spec.Health{Retries: 1, StartPeriod: time.Hour}, Health{Status: Starting}
	h.add(Probe{Start: started}, o, started)
	if h.add(Probe{Start: started, ExitCode: 1}, o, started); h.Status != Unhealthy {
		t.Error(h.Status)
	}
}

func TestReadSomeIsBounded(t *testing.T) {
	if got := readSome(strings.NewReader(strings.Repeat("x", 1<<20))); len(got) != maxProbeOutput {
		t.Errorf("%d bytes kept", len(got))
	}
}
