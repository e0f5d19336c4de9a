package tree

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Of overlayfs's notes that stay which say what a folder hides, and whatever else
// there is.
func TestForgetOverlay(t *testing.T) {
	r, dir := folder(t, map[string]string{"up/file": "x", "up/hides/": "", "new/": ""})
	note := func(name, key string) {
		t.Helper()
		if err := unix.Setxattr(filepath.Join(dir, name), key, []byte("y"), 0); err != nil {
			t.Fatal(err)
		}
	}
	note(".", "user.overlay.impure")
	note("up", "user.overlay.origin")
	note("up", "user.overlay.impure")
	note("up/file", "user.overlay.origin")
	note("up/file", "user.own")
	note("up/hides", "user.overlay.opaque")
	note("up/hides", "user.overlay.origin")
	if err := r.ForgetOverlay(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{".": "", "up": "", "up/file": "user.own", "up/hides": opaque, "new": ""} {
		found, err := r.named(name).read()
		if err != nil || len(found) > 1 || want != "" && string(found[want]) != "y" || want == "" && len(found) > 0 {
			t.Errorf("%s has %q, %v; want %q", name, found, err, want)
		}
	}
}
