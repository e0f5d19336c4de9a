package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// healthProbes is how many probes are made; each one would be a second of a real
// container's life. After half of them the monitor has collected its garbage a few
// times, and grows no more. RL_HEALTH_PROBES sets another number: 3600 is an hour.
const healthProbes = 800

// The monitor of a container with a health check each second stays as small as
// it is, and takes less than half a percent of a processor.
func TestHealthCheckCost(t *testing.T) {
	probes := healthProbes
	if n, err := strconv.Atoi(os.Getenv("RL_HEALTH_PROBES")); err == nil {
		probes = n
	}
	e := AsUser(t)
	name := e.Name(t)
	e.ready(t, name, "--network", "none", "--health-cmd", "echo >> /dev/shm/probes", "--health-interval", "5ms")
	defer e.OK(t, "rm", "-f", name)
	pid := e.OK(t, "inspect", "-f", "{{.State.Pid}}", name)
	monitor := parentOf(t, pid)
	probed := func(n int) {
		e.Cmd("exec", name, "sh", "-c", fmt.Sprintf("until [ $(wc -l < /dev/shm/probes) -ge %d ]; do sleep 0.05; done", n)).
			Within(time.Hour).Run(t).OK(t)
	}
	probed(probes / 2)
	memory, cpu := residentOf(t, monitor), processorOf(t, monitor)
	probed(probes)
	grown := residentOf(t, monitor) - memory
	each := (processorOf(t, monitor) - cpu) / time.Duration(probes-probes/2)
	t.Logf("%d probes: the monitor has %d kB, %+d kB since half of them, and takes %v for each", probes, memory+grown, grown, each)
	if grown > 1024 {
		t.Errorf("the monitor grew by %d kB", grown)
	}
	if each > time.Second/200 {
		t.Errorf("a probe takes %v of the monitor's processor, which is more than 0.5 %% each second", each)
	}
}

func parentOf(t *testing.T, pid string) string {
	t.Helper()
	return statusField(t, pid, "PPid")
}

// residentOf is a process's memory in kB.
func residentOf(t *testing.T, pid string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(statusField(t, pid, "VmRSS"), " kB"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func statusField(t *testing.T, pid, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("process %s has no %s", pid, name)
	return ""
}

// processorOf is how long the threads of a process have run.
func processorOf(t *testing.T, pid string) time.Duration {
	t.Helper()
	var sum time.Duration
	files, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}
