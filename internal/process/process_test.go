package process

import (
	"os"
	"os/exec"
	"testing"
)

func TestAliveUntilReaped(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err != nil || !id.Alive() {
		t.Fatalf("%+v, %v", id, err)
	}
	stdin.Close()
	cmd.Wait()
	if id.Alive() {
		t.Error("a reaped process is alive")
	}
}

func TestAnotherProcessWithTheSameIDIsNotIt(t *testing.T) {
	id, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !id.Alive() || (ID{id.PID, id.Start + "0"}).Alive() || (ID{}).Alive() {
		t.Error("only the pair of process id and start time names a process")
	}
}
