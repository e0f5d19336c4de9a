package logs

import (
	"os"
	"testing"
	"time"
)

func TestAwaitReaders(t *testing.T) {
	path := tenFiles(t)
	if !AwaitReaders(path, 0) {
		t.Error("waits for nobody")
	}
	f := follow(t, path, ReadOptions{Tail: All})
	f.expect(numberedLines(1, 1))
	if !AwaitReaders(path, 0) {
		t.Error("waits for one that has all files open")
	}
	if f.rest() != numberedLines(2, 1000) {
		t.Error("the rest is not the rest")
	}
	old, err := openPart(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	setFollowed(old, true)
	if AwaitReaders(path, 5*time.Millisecond) {
		t.Error("does not wait for one that has not opened the newest file")
	}
	setFollowed(old, false)
	if !AwaitReaders(path, 0) {
		t.Error("waits for one that went on")
	}
	if !AwaitReaders(t.TempDir()+"/missing/log", 0) {
		t.Error("waits for a log that is not there")
	}
}

// Whatever the follower has open when the container ends, it gets the rest.
func TestRemovedAfterAwaitReaders(t *testing.T) {
	for range 20 {
		folder := t.TempDir() + "/container"
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		path := folder + "/log"
		w := openLog(t, path, Options{MaxSize: 20_000, MaxFile: 3})
		write(t, w, Stdout, numberedLines(1, 1))
		f := follow(t, path, ReadOptions{Tail: All})
		f.expect(numberedLines(1, 1))
		write(t, w, Stdout, numberedLines(2, 600)) // two rotations
		w.Close()
		if !AwaitReaders(path, time.Minute) {
			t.Fatal("the follower does not go on")
		}
		if err := os.Rename(folder, t.TempDir()+"/trash"); err != nil {
			t.Fatal(err)
		}
		if got := f.rest(); got != numberedLines(2, 600) {
			t.Fatalf("the rest is %d bytes", len(got))
		}
	}
}
