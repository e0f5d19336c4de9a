package docker

import (
	"fmt"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/runner"
)

// UsageRow is a line of `stats`: what its templates can name.
type UsageRow struct {
	BlockIO   string
	CPUPerc   string
	Container string // as it was asked for
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

// UsageHeader is the row of the titles of `stats`.
var UsageHeader = UsageRow{
	BlockIO: "BLOCK I/O", CPUPerc: "CPU %", Container: "CONTAINER", ID: "CONTAINER ID", MemPerc: "MEM %",
	MemUsage: "MEM USAGE / LIMIT", Name: "NAME", NetIO: "NET I/O", PIDs: "PIDS",
}

// NewUsageRow writes what a container uses, from two measurements of it; one
// that does not run uses nothing.
func NewUsageRow(v runner.View, asked string, before, now runner.Usage, whole bool) UsageRow {
	r := UsageRow{
		Container: asked, ID: v.ID, Name: v.Name,
		CPUPerc:  fmt.Sprintf("%.2f%%", cpuPercent(before, now)),
		MemUsage: units.BytesSize(float64(now.Memory)) + " / " + units.BytesSize(float64(now.MemoryLimit)),
		MemPerc:  fmt.Sprintf("%.2f%%", percent(now.Memory, now.MemoryLimit)),
		NetIO:    pair(now.Received, now.Sent), BlockIO: pair(now.Read, now.Written), PIDs: fmt.Sprint(now.Pids),
	}
	if !whole {
		r.ID = shortID(v.ID)
	}
	return r
}

// cpuPercent is 100 for each processor in use between two measurements. What
// was counted can become less, where the count is that of live processes.
func cpuPercent(before, now runner.Usage) float64 {
	passed := now.At.Sub(before.At)
	if before.At.IsZero() || passed < time.Millisecond {
		return 0
	}
	return 100 * max(now.CPU-before.CPU, 0).Seconds() / passed.Seconds()
}

func percent(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

func pair(in, out uint64) string {
	return units.HumanSizeWithPrecision(float64(in), 3) + " / " + units.HumanSizeWithPrecision(float64(out), 3)
}
