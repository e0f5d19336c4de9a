package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// newClaims returns an image whose store holds one container of another
// program's.
func newClaims(t testing.TB) *Image {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "overlay-containers")
	s := Store{Containers: filepath.Join(dir, "containers.json"), ContainersLock: filepath.Join(dir, "containers.lock")}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.Containers, theirs)
	return &Image{ID: someID, Store: s}
}

const theirs = `[{"id":"theirs","names":["n"],"image":"i","layer":"l","future":{"field":[1.50,"x"]}}]`

func TestClaimAndRelease(t *testing.T) {
	img := newClaims(t)
	for _, id := range []string{"one", "two", "one"} {
		if err := img.Claim(id, t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, img.Store); !reflect.DeepEqual(got, []string{"theirs", "one", "two"}) {
		t.Errorf("got %v", got)
	}
	if err := img.Claim("dead", "/no/such/folder"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(img.Store.Release("one", "never"), img.Store.ReleaseDead()); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, img.Store); !reflect.DeepEqual(got, []string{"theirs", "two"}) {
		t.Errorf("got %v", got)
	}
	if err := img.Store.Release("two", "theirs"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(img.Store.Containers)
	if err != nil || string(data) != theirs {
		t.Errorf("left is %s, %v", data, err)
	}
}

func ids(t *testing.T, s Store) []string {
	t.Helper()
	var got []string
	for _, c := range claims(t, s) {
		got = append(got, c.ID)
	}
	return got
}

func claims(t *testing.T, s Store) []claim {
	t.Helper()
	data, err := os.ReadFile(s.Containers)
	var list []claim
	if err := errors.Join(err, json.Unmarshal(data, &list)); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestClaimIsDescribed(t *testing.T) {
	img := newClaims(t)
	if err := img.Claim("one", "/folder"); err != nil {
		t.Fatal(err)
	}
	c := claims(t, img.Store)[1]
	var m claimMetadata
	if err := json.Unmarshal([]byte(c.Metadata), &m); err != nil {
		t.Fatal(err)
	}
	if c.Image != someID || c.Layer != "" || c.Created.IsZero() || m.Owner != Owner || m.Folder != "/folder" {
		t.Errorf("got %+v, %+v", c, m)
	}
}

// TestClaimMarksTheLock checks what makes programs that have the list in memory
// read it again.
func TestClaimMarksTheLock(t *testing.T) {
	img := newClaims(t)
	var before [lastWriteSize]byte
	for range 3 {
		if err := errors.Join(img.Claim("one", "/folder"), img.Store.Release("one")); err != nil {
			t.Fatal(err)
		}
		mark, err := os.ReadFile(img.Store.ContainersLock)
		if err != nil || len(mark) != lastWriteSize || string(mark) == string(before[:]) {
			t.Errorf("mark %x, %v", mark, err)
		}
		copy(before[:], mark)
	}
	// What changes nothing marks nothing.
	if err := img.Store.Release("never"); err != nil {
		t.Fatal(err)
	}
	if mark, err := os.ReadFile(img.Store.ContainersLock); err != nil || string(mark) != string(before[:]) {
		t.Errorf("mark %x, %v", mark, err)
	}
}

func TestClaimWithoutAList(t *testing.T) {
	img := newClaims(t)
	for _, prepare := range []func() error{
		func() error { return os.RemoveAll(filepath.Dir(img.Store.Containers)) },
		func() error { return os.WriteFile(img.Store.Containers, nil, 0o600) },
		func() error { return os.WriteFile(img.Store.Containers, []byte(" [ ]\n"), 0o600) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		if err := img.Claim("one", "/folder"); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, img.Store); !reflect.DeepEqual(got, []string{"one"}) {
			t.Errorf("got %v", got)
		}
	}
	for _, broken := range []string{`{"not":"a list"}`, `[{"id":"x"`, "words"} {
		writeFile(t, img.Store.Containers, broken)
		if err := errors.Join(img.Claim("two", "/folder")); err == nil {
			t.Errorf("%s was replaced", broken)
		}
	}
}

func TestClaimsAtOnce(t *testing.T) {
	img := newClaims(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if err := img.Claim(fmt.Sprint(i), "/folder"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := ids(t, img.Store); len(got) != 17 {
		t.Errorf("got %v", got)
	}
}

// TestLockKindsConflict checks that the lock taken here and the process's record
// lock that containers/storage takes keep each other out.
func TestLockKindsConflict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "containers.lock")
	ours, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, kind := range []int16{unix.F_RDLCK, unix.F_WRLCK} {
		lock := unix.Flock_t{Type: kind}
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			t.Errorf("a process's lock of kind %d beside ours: %v", kind, err)
		}
	}
	ours.Close()
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		t.Fatalf("after ours is gone: %v", err)
	}
	again, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	write := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(again.Fd(), unix.F_OFD_SETLK, &write); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("ours beside a process's: %v", err)
	}
}

// manyClaims has a hundred other containers of rl.
func manyClaims(b *testing.B) *Image {
	img := newClaims(b)
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf(`{"id":"%064d","image":"%s","layer":"","metadata":"{\"owner\":\"%s\",\"folder\":\"/tmp\"}"}`, i, someID, Owner))
	}
	writeFile(b, img.Store.Containers, "["+strings.Join(list, ",")+"]")
	return img
}

func TestHasOthers(t *testing.T) {
	img := newClaims(t)
	others, err := os.ReadFile(img.Store.Containers)
	if err != nil || !hasOthers(others) {
		t.Errorf("%s: %v", others, err)
	}
	if err := errors.Join(img.Claim("one", "/folder"), img.Claim("two", "/folder")); err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(img.Store.Containers)
	if err != nil || !hasOthers(both) {
		t.Errorf("%s: %v", both, err)
	}
	writeFile(t, img.Store.Containers, "[]")
	if err := errors.Join(img.Claim("one", "/folder"), img.Claim("two", "/folder")); err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile(img.Store.Containers)
	if err != nil || hasOthers(mine) {
		t.Errorf("%s: %v", mine, err)
	}
}

func BenchmarkClaim(b *testing.B) {
	img := manyClaims(b)
	list, err := os.ReadFile(img.Store.Containers)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if i%100 == 0 {
			writeFile(b, img.Store.Containers, string(list))
		}
		if err := img.Claim(fmt.Sprint("container", i), "/folder"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClaimAndRelease(b *testing.B) {
	img := manyClaims(b)
	for b.Loop() {
		if err := errors.Join(img.Claim("one", "/folder"), img.Store.Release("one")); err != nil {
			b.Fatal(err)
		}
	}
}
