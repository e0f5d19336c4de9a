package logs

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestNonBlockingKeepsOrderAndEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	o, err := ParseOptions(JSONFile, []string{"mode=non-blocking", "max-buffer-size=1m"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(path, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for range 1000 {
		line := []byte("line\n")
		want = append(want, line...)
		w.Stream(Stdout).Write(line)
	}
	want = append(want, "end"...)
	w.Stream(Stdout).Write([]byte("end"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []byte
	err = Read(t.Context(), path, ReadOptions{Tail: All}, func(e Entry) error { got = append(got, e.Text...); return nil })
	if err != nil || !bytes.Equal(got, want) || w.Lost() != 0 {
		t.Errorf("%d bytes of %d, %d lost, %v", len(got), len(want), w.Lost(), err)
	}
}

func TestQueueDropsWhatFindsItFull(t *testing.T) {
	w := &Writer{}
	l := &LineWriter{w: w}
	w.mu.Lock() // the disk takes its time
	q := newQueue(10)
	first, second, third := q.put(l, make([]byte, 20)), q.put(l, make([]byte, 1)), q.put(l, nil)
	w.mu.Unlock()
	q.close()
	if !first || second || third {
		t.Errorf("an empty queue takes anything, a full one nothing: %v %v %v", first, second, third)
	}
}

func TestOptionsOfTheMode(t *testing.T) {
	for _, opts := range [][]string{{"mode=sometimes"}, {"max-buffer-size=1m"}, {"mode=blocking", "max-buffer-size=1m"}, {"mode=non-blocking", "max-buffer-size=-1"}} {
		if _, err := ParseOptions(JSONFile, opts); err == nil {
			t.Errorf("%v was accepted", opts)
		}
	}
	o, err := ParseOptions(Local, nil)
	if err != nil || o.MaxSize != 20_000_000 || o.MaxFile != 5 {
		t.Errorf("%+v, %v", o, err)
	}
}
