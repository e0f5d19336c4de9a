package runner

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rl-project/rl/internal/process"
)

func TestStatusIsComputed(t *testing.T) {
	self, err := process.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	gone := process.ID{PID: self.PID, Start: self.Start + "0"}
	boot, began := process.Boot(), time.Now()
	for _, tt := range []struct {
		name  string
		state State
		want  Status
		code  int
	}{
		{"never started", State{}, Created, 0},
		{"could not be started", State{Error: "no such command", ExitCode: 127}, Created, 127},
		{"running", State{Boot: boot, Init: self, Monitor: self, StartedAt: began}, Running, 0},
		{"running without its monitor", State{Boot: boot, Init: self, Monitor: gone, StartedAt: began}, Running, 0},
		{"ended", State{Boot: boot, Monitor: gone, StartedAt: began, FinishedAt: began.Add(1), ExitCode: 3}, Exited, 3},
		{"ended a moment ago", State{Boot: boot, Init: gone, Monitor: self, StartedAt: began}, Running, 0},
		{"lost with its monitor", State{Boot: boot, Init: gone, Monitor: gone, StartedAt: began}, Exited, LostExitCode},
		{"lost in a reboot", State{Boot: "another", Init: self, Monitor: self, StartedAt: began}, Exited, LostExitCode},
		{"lost before its next start", State{Boot: boot, Monitor: gone, StartedAt: began, FinishedAt: began.Add(1), ExitCode: 3, Restarting: true}, Exited, 3},
		{"running again", State{Boot: boot, Init: self, Monitor: self, StartedAt: began, FinishedAt: began.Add(-1), ExitCode: 1}, Running, 1},
	} {
		v := look(Container{}, tt.state)
		if v.Status != tt.want || v.ExitCode != tt.code {
			t.Errorf("%s: %s (%d), want %s (%d)", tt.name, v.Status, v.ExitCode, tt.want, tt.code)
		}
		if lost := strings.HasPrefix(tt.name, "lost"); lost != (v.Reason() == lostText) && tt.state.Error == "" {
			t.Errorf("%s: the reason is %q", tt.name, v.Reason())
		}
	}
}
