package logs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// following is a Read with Follow in the background.
type following struct {
	t       *testing.T
	entries chan string // as they come
	done    chan struct{}
	cancel  context.CancelFunc
	err     chan error

	mu    sync.Mutex
	notes []string
}

func follow(t *testing.T, path string, o ReadOptions) *following {
	ctx, cancel := context.WithCancel(context.Background())
	f := &following{t: t, entries: make(chan string), done: make(chan struct{}), cancel: cancel, err: make(chan error, 1)}
	o.Follow, o.Done, o.Note = true, f.done, f.note
	go func() {
		defer close(f.entries)
		f.err <- Read(ctx, path, o, func(e Entry) error {
			select {
			case f.entries <- string(e.Text):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(cancel)
	return f
}

func (f *following) note(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, s)
}

// expect waits for as many entries as text has lines.
func (f *following) expect(text string) {
	f.t.Helper()
	for _, want := range strings.SplitAfter(text, "\n") {
		if want == "" {
			continue
		}
		if got := <-f.entries; got != want {
			f.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// rest ends the container and returns what else is given out.
func (f *following) rest() string {
	f.t.Helper()
	close(f.done)
	b := new(strings.Builder)
	for text := range f.entries {
		b.WriteString(text)
	}
	if err := <-f.err; err != nil {
		f.t.Error(err)
	}
	if len(f.notes) > 0 {
		f.t.Error(f.notes)
	}
	return b.String()
}

func TestFollow(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, numberedLines(1, 10))
	f := follow(t, path, ReadOptions{Tail: 3})
	f.expect(numberedLines(8, 10))
	write(t, w, Stdout, "a\nb")
	f.expect("a\n")
	write(t, w, Stderr, "c\n")
	f.expect("c\n")
	w.Close()
	if got := f.rest(); got != "b" {
		t.Errorf("the rest is %q", got)
	}
}

func TestFollowBeginsBeforeTheLog(t *testing.T) {
	path := t.TempDir() + "/log"
	f := follow(t, path, ReadOptions{Tail: All})
	w := openLog(t, path, Options{})
	write(t, w, Stdout, "a\n")
	f.expect("a\n")
	w.Close()
	if got := f.rest(); got != "" {
		t.Errorf("the rest is %q", got)
	}
}

func TestFollowOfWhatIsOver(t *testing.T) {
	f := follow(t, tenFiles(t), ReadOptions{Tail: All})
	if got := f.rest(); got != numberedLines(1, 1000) {
		t.Errorf("got %d bytes", len(got))
	}
}

// A follower that keeps up sees each line once, whatever is removed behind it.
func TestFollowAcrossRotations(t *testing.T) {
	for _, keep := range []int{1, 2, 3} {
		w, path := newLog(t, Options{MaxSize: 800, MaxFile: keep})
		f := follow(t, path, ReadOptions{Tail: All})
		for i := 1; i < 500; i += 7 {
			write(t, w, Stdout, numberedLines(i, i+6))
			f.expect(numberedLines(i, i+6))
		}
		w.Close()
		if got := f.rest(); got != "" {
			t.Errorf("of %d files: the rest is %q", keep, got)
		}
	}
}

// One that does not keep up with a writer at full speed sees each line once,
// as long as the files are there.
func TestFollowUnderLoad(t *testing.T) {
	const lines = 20_000
	w, path := newLog(t, Options{MaxSize: 20_000, MaxFile: 100})
	f := follow(t, path, ReadOptions{Tail: All})
	go func() {
		defer close(f.done)
		for i := 1; i <= lines; i += 10 {
			write(t, w, Stdout, numberedLines(i, i+9))
		}
		w.Close()
	}()
	f.expect(numberedLines(1, lines))
	for text := range f.entries {
		t.Errorf("another line: %q", text)
	}
	if err := <-f.err; err != nil {
		t.Error(err)
	}
}

// One that is slower than the container for a while has the files open that
// were removed meanwhile.
func TestFollowSlowly(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 800, MaxFile: 2})
	write(t, w, Stdout, numberedLines(1, 5))
	f := follow(t, path, ReadOptions{Tail: All})
	f.expect(numberedLines(1, 1)) // it waits to be rid of the second
	for i := 6; i <= 50; i += 5 {
		write(t, w, Stdout, numberedLines(i, i+4))
		waitOpen(path)
	}
	w.Close()
	if err := os.Rename(filepath.Dir(path), t.TempDir()+"/trash"); err != nil {
		t.Fatal(err)
	}
	if got := f.rest(); got != numberedLines(2, 50) {
		t.Errorf("got\n%s", got)
	}
}

// waitOpen waits until a reader has found path to be the newest file. That it
// is open would not be enough: a reader opens a file before it knows which.
func waitOpen(path string) {
	for !followed(path) {
		runtime.Gosched()
	}
}

// One that is so slow that files are removed before it opened them goes on
// with the oldest there is, and says so.
func TestFollowTooSlow(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 800, MaxFile: 3})
	write(t, w, Stdout, numberedLines(1, 5))
	f := follow(t, path, ReadOptions{Tail: All})
	f.expect(numberedLines(1, 1)) // it waits to be rid of the second
	for i := 6; i <= 1000; i += 5 {
		write(t, w, Stdout, numberedLines(i, i+4))
	}
	w.Close()
	close(f.done)
	var got []string
	for text := range f.entries {
		got = append(got, text)
	}
	if err := <-f.err; err != nil {
		t.Error(err)
	}
	n := len(got)
	if all := strings.Join(got, ""); n < 25 || n > 250 || !strings.HasPrefix(all, numberedLines(2, 5)) || !strings.HasSuffix(all, numberedLines(981, 1000)) {
		t.Errorf("got %d lines:\n%s", n, all)
	}
	if len(f.notes) == 0 {
		t.Errorf("no note")
	}
}

// Without Follow, reading ends although the container goes on, and what comes
// out is without holes.
func TestReadUnderLoad(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 20_000, MaxFile: 50})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i += 10 {
			select {
			case <-stop:
				return
			default:
				write(t, w, Stdout, numberedLines(i, i+9))
			}
		}
	}()
	for range 20 {
		for _, tail := range []int{All, 100} {
			last := ""
			err := Read(context.Background(), path, ReadOptions{Tail: tail}, func(e Entry) error {
				if text := string(e.Text); last == "" || last < text {
					last = text
					return nil
				}
				return errors.New("not in order: " + last + string(e.Text))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	<-stopped
}

// With --rm, the folder is gone as soon as the container has ended.
func TestFollowRemoved(t *testing.T) {
	w, path := newLog(t, Options{})
	f := follow(t, path, ReadOptions{Tail: All})
	write(t, w, Stdout, "a\n")
	f.expect("a\n")
	write(t, w, Stdout, "b\n")
	w.Close()
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if got := f.rest(); got != "b\n" {
		t.Errorf("the rest is %q", got)
	}
}

// Somebody emptied the file to get space, as logrotate's copytruncate does.
func TestFollowTruncated(t *testing.T) {
	w, path := newLog(t, Options{})
	f := follow(t, path, ReadOptions{Tail: All})
	write(t, w, Stdout, numberedLines(1, 10))
	f.expect(numberedLines(1, 10))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(t, w, Stdout, "a\n")
	f.expect("a\n")
	f.rest()
}

func TestFollowUntil(t *testing.T) {
	w, path := newLog(t, Options{})
	w.now = time.Now
	write(t, w, Stdout, "a\n")
	f := follow(t, path, ReadOptions{Tail: All, Until: time.Now().Add(time.Millisecond)})
	f.expect("a\n")
	if err := <-f.err; err != nil {
		t.Error(err)
	}
}

func TestFollowCancelled(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "a\n")
	f := follow(t, path, ReadOptions{Tail: All})
	f.expect("a\n")
	f.cancel()
	if err := <-f.err; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFollowWithoutInotify(t *testing.T) {
	changed := make(chan struct{})
	stop := poll(func() { changed <- struct{}{} })
	<-changed
	<-changed
	stop()
}
