package integration

import (
	"os"
	"testing"
)

// One name that is wrong fails a command, and does not keep it from the others.
func TestRmiOfSeveral(t *testing.T) {
	e := Fresh(t, Ordinary)
	importSmall(t, e, "a:1")
	importSmall(t, e, "b:1")
	e.Run(t, "rmi", "no-such", "a:1").Exits(t, 1).Says(t, "no such image: no-such")
	e.Run(t, "rmi", "b:1", "no-such").Exits(t, 1).Says(t, "no such image: no-such")
	e.Want(t, "", "images", "-q")
	e.Run(t, "rmi", "-f", "no-such").Exits(t, 0).Says(t, "no such image: no-such")
}

// TestRmiOnAFullDisk removes images when there is no byte left.
func TestRmiOnAFullDisk(t *testing.T) {
	e := onSmallDisk(t, "64m")
	importSmall(t, e, "first")
	importSmall(t, e, "second")
	filled := e.fill(t)
	e.Run(t, "tag", "first", "third").Exits(t, 1).Says(t, "no space left")
	e.Want(t, "second\nfirst", "images", "--format", "{{.Repository}}")
	e.OK(t, "rmi", "first", "second")
	e.Want(t, "", "images", "-q")
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	importSmall(t, e, "first")
	if left := storeFiles(t, e); len(left) != 4 {
		t.Errorf("of one image there are %q", left)
	}
}
