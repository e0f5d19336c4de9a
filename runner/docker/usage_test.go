package docker

import (
	"testing"
	"time"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

func TestUsageRow(t *testing.T) {
	v := view(t, spec.Options{})
	before := runner.Usage{At: noon, CPU: time.Second}
	now := runner.Usage{
		At: noon.Add(2 * time.Second), CPU: 4 * time.Second, Memory: 815104, MemoryLimit: 64 << 20, Pids: 2,
		Read: 3568000, Written: 512000, Received: 788, Sent: 648,
	}
	want := UsageRow{
		Container: "web", ID: testID[:12], Name: "web", CPUPerc: "150.00%", MemUsage: "796KiB / 64MiB", MemPerc: "1.21%",
		NetIO: "788B / 648B", BlockIO: "3.57MB / 512kB", PIDs: "2",
	}
	if got := NewUsageRow(v, "web", before, now, false); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := NewUsageRow(v, "web", now, before, true); got.CPUPerc != "0.00%" || got.ID != testID {
		t.Errorf("%+v", got)
	}
	want = UsageRow{
		Container: "w", ID: testID[:12], Name: "web", CPUPerc: "0.00%", MemUsage: "0B / 0B", MemPerc: "0.00%",
		NetIO: "0B / 0B", BlockIO: "0B / 0B", PIDs: "0",
	}
	if got := NewUsageRow(v, "w", runner.Usage{}, runner.Usage{}, false); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
