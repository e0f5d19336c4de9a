package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func stored(t *testing.T, l Log, o ReadOptions) []Event {
	t.Helper()
	if o.Since.IsZero() {
		o.Since = time.Unix(0, 0)
	}
	if o.Until.IsZero() {
		o.Until = time.Now()
	}
	var list []Event
	if err := l.Read(t.Context(), o, func(e Event) error { list = append(list, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func started(name string) Event {
	return Event{Type: Container, Action: "start", Actor: Actor{ID: "id-" + name, Attributes: map[string]string{"name": name, "image": "alpine"}}}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	l := In(t.TempDir())
	l.Write(started("a"), Event{Type: Volume, Action: "create", Actor: Actor{ID: "v"}})
	list := stored(t, l, ReadOptions{})
	if len(list) != 2 {
		t.Fatalf("read %d events, not 2", len(list))
	}
	e := list[0]
	if e.Status != "start" || e.ID != "id-a" || e.From != "alpine" || e.Scope != "local" || e.Time != e.TimeNano/1e9 || time.Since(e.When()) > time.Minute {
		t.Errorf("read %+v", e)
	}
	if list[1].Status != "" || list[1].ID != "" {
		t.Errorf("an event of a volume has the members of containers: %+v", list[1])
	}
}

func TestReadingChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if list := stored(t, In(dir), ReadOptions{}); list != nil {
		t.Errorf("read %v of nothing", list)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("reading made %v", entries)
	}
}

func TestSinceAndUntilBound(t *testing.T) {
	l := In(t.TempDir())
	for i := range 5 {
		e := started(strconv.Itoa(i))
		e.TimeNano = int64(i+1) * 1e9
		l.Write(e)
	}
	list := stored(t, l, ReadOptions{Since: time.Unix(2, 0), Until: time.Unix(4, 0)})
	if len(list) != 2 || list[0].Time != 2 || list[1].Time != 3 {
		t.Errorf("since 2 until 4 gave %v", list)
	}
}

func TestACutLineLosesOnlyItself(t *testing.T) {
	l := In(t.TempDir())
	l.Write(started("a"))
	f, err := os.OpenFile(filepath.Join(l.folder, newest), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("\n" + `{"Type":"container","Act`)
	f.Close()
	l.Write(started("b"))
	if list := stored(t, l, ReadOptions{}); len(list) != 2 || list[1].ID != "id-b" {
		t.Errorf("read %v", list)
	}
}

func TestAFailedWriteIsSilent(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	In(dir).Write(started("a")) // nothing to see but that it returns
}

// TestWriterProcess is not a test: it is what several writers at once run.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv("EVENTS_WRITER")
	if dir == "" {
		return
	}
	l := Log{dir, 80 << 10}
	for i := range 200 {
		l.Write(started(fmt.Sprintf("%d-%d", os.Getpid(), i)))
	}
}

func TestManyWritersLoseNothingWhileFilesAreSetAside(t *testing.T) {
	const writers, each = 6, 200
	l := Log{filepath.Join(t.TempDir(), "events"), 80 << 10}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(map[string]int)
	enough := errors.New("enough")
	read := make(chan error, 1)
	go func() {
		read <- l.Read(ctx, ReadOptions{Since: time.Unix(0, 0)}, func(e Event) error {
			if seen[e.ID]++; len(seen) == writers*each {
				return enough
			}
			return nil
		})
	}()
	var running []*exec.Cmd
	for range writers {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriterProcess$")
		cmd.Env = append(os.Environ(), "EVENTS_WRITER="+l.folder)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	end := time.AfterFunc(10*time.Second, cancel)
	defer end.Stop()
	if err := <-read; !errors.Is(err, enough) {
		t.Fatalf("followed %d of %d events: %v", len(seen), writers*each, err)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was read %d times", id, n)
		}
	}
	if n := len(l.old()); n > setAside {
		t.Errorf("%d files are kept, not at most %d", n, setAside)
	}
	cancel()
}

func TestFollowingBeginsBeforeTheFirstEvent(t *testing.T) {
	l := In(t.TempDir())
	got := make(chan Event, 1)
	done := errors.New("done")
	ready := make(chan error, 1)
	go func() {
		ready <- l.Read(t.Context(), ReadOptions{Since: time.Unix(0, 0)}, func(e Event) error { got <- e; return done })
	}()
	l.Write(started("a"))
	if err := <-ready; !errors.Is(err, done) {
		t.Fatal(err)
	}
	if e := <-got; e.ID != "id-a" {
		t.Errorf("followed %+v", e)
	}
}

func TestFiltersChoose(t *testing.T) {
	e := Event{
		Type: Container, Action: "exec_start: sh -c date", Scope: "local",
		Actor: Actor{ID: "4f2a", Attributes: map[string]string{"name": "web", "image": "alpine:3.20", "tier": "front"}},
	}
	for _, c := range []struct {
		words string
		want  bool
	}{
		{"", true},
		{"type=container", true},
		{"type=image", false},
		{"type=image type=container", true},
		{"event=exec_start", true},
		{"event=exec_start: sh -c date", true},
		{"event=start", false},
		{"container=web", true},
		{"container=4f2", true},
		{"container=db", false},
		{"volume=web", false},
		{"image=alpine", true},
		{"image=alpine:3.20", true},
		{"image=debian", false},
		{"label=tier", true},
		{"label=tier=front", true},
		{"label=tier=back", false},
		{"label=tier,label=zone", false},
		{"scope=local", true},
		{"type=container,event=die", false},
	} {
		sep := func(r rune) bool { return r == ',' }
		words := strings.FieldsFunc(strings.ReplaceAll(c.words, " type", ",type"), sep)
		match, err := ParseFilters(words)
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		if got := match(e); got != c.want {
			t.Errorf("%q: %v", words, got)
		}
	}
}

func TestWrongFiltersAreRefused(t *testing.T) {
	for _, word := range []string{"", "nothing", "colour=red", "type", "type="} {
		if _, err := ParseFilters([]string{word}); err == nil {
			t.Errorf("%q was taken", word)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"x"}},"timeNano":1}`))
	f.Add([]byte("{}\n\n{\"Type\":1}\n[\n"))
	f.Add(bytes.Repeat([]byte("x"), 100<<10))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := In(t.TempDir())
		if err := os.Mkdir(l.folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l.folder, newest), data, 0o600); err != nil {
			t.Fatal(err)
		}
		l.Write(started("after"))
		found := false
		for _, e := range stored(t, l, ReadOptions{}) {
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("%+v: %v", e, err)
			}
			found = found || e.ID == "id-after"
		}
		if !found {
			t.Error("the event written after it was not found")
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	l := In(b.TempDir())
	for b.Loop() {
		l.Write(started("a"))
	}
}
