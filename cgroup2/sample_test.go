package cgroup2

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSampleCountsThisProcess(t *testing.T) {
	for worked(t) < 50*time.Millisecond { // which takes longer on a busy machine
	}
	s, err := Sample(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if s.CPU < 20*time.Millisecond || s.Memory < 100<<10 || s.Pids < 2 {
		t.Errorf("%+v", s)
	}
	if MachineMemory() < s.Memory {
		t.Errorf("the machine has %d bytes, and this process uses %d", MachineMemory(), s.Memory)
	}
}

// worked is the processor time of this process.
func worked(t *testing.T) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestParseStat(t *testing.T) {
	const stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 9 0 5000 1 2"
	user, system, threads := parseStat([]byte(stat))
	if user != 1030*time.Millisecond || system != 240*time.Millisecond || threads != 9 {
		t.Error(user, system, threads)
	}
	for _, text := range []string{"", "7 (a) S 1"} {
		if user, system, threads := parseStat([]byte(text)); user+system != 0 || threads != 0 {
			t.Errorf("%q: %v %v %v", text, user, system, threads)
		}
	}
}

func TestParseProcessIO(t *testing.T) {
	read, written := parseProcessIO("rchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n")
	if read != 4096 || written != 8192 {
		t.Error(read, written)
	}
}
