package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// With keep-id the files of a mounted folder belong to the person on both
// sides, and those of the image to whom they belong in the image.
func TestKeepID(t *testing.T) {
	e := AsUser(t)
	script := "id -u; id -g; stat -c %u /data; touch /data/file; stat -c %u /data/file; stat -c %u /bin/busybox"
	for _, test := range []struct {
		flag     string
		uid, gid int
	}{
		{"keep-id", e.Account.UID, e.Account.GID},
		{"keep-id:uid=1234,gid=567", 1234, 567},
	} {
		t.Run(test.flag, func(t *testing.T) {
			dir := e.Folder(t)
			want := fmt.Sprintf("%d\n%d\n%d\n%d\n0", test.uid, test.gid, test.uid, test.uid)
			e.Want(t, want, "run", "--rm", "--network", "none", "--userns", test.flag, "-v", dir+":/data", Image, "sh", "-c", script)
			info, err := os.Stat(filepath.Join(dir, "file"))
			if err != nil {
				t.Fatal(err)
			}
			if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != e.Account.UID {
				t.Errorf("the file belongs to %d outside, not to %d", owner, e.Account.UID)
			}
		})
	}
}

// Docker's way to have files that are one's own, --user with one's own id, is
// answered with rl's, and only where a folder is there to be written.
func TestOwnUserIsTold(t *testing.T) {
	e := AsUser(t)
	dir, own := e.Folder(t), fmt.Sprint(e.Account.UID)
	for _, test := range []struct {
		flags []string
		told  bool
	}{
		{[]string{"--user", own + ":" + own, "-v", dir + ":/data"}, true},
		{[]string{"--user", own, "--userns", "keep-id", "-v", dir + ":/data"}, false},
		{[]string{"--user", own, "-v", dir + ":/data:ro"}, false},
		{[]string{"--user", own}, false},
		{[]string{"--user", "4321", "-v", dir + ":/data"}, false},
	} {
		r := e.Run(t, slices.Concat([]string{"run", "--rm", "--network", "none"}, test.flags, []string{Image, "true"})...)
		r.OK(t)
		if told := strings.Contains(r.Err, "add --userns keep-id"); told != test.told {
			t.Errorf("told to use keep-id: %v, want %v: %s", told, test.told, r)
		}
	}
}

// Without fuse-overlayfs the image's files are the person's, and rl says so.
func TestKeepIDWithoutFUSE(t *testing.T) {
	e := AsUser(t)
	r := e.Cmd("run", "--rm", "--network", "none", "--userns", "keep-id", Image, "id", "-u").
		Set("PATH=" + pathWithout(t, "fuse-overlayfs")).Run(t)
	r.Says(t, "without fuse-overlayfs")
	if got := r.OK(t); got != fmt.Sprint(e.Account.UID) {
		t.Errorf("id -u printed %q", got)
	}
}

// pathWithout is a folder with what rl itself calls, but for some programs.
func pathWithout(t *testing.T, names ...string) string {
	t.Helper()
	dir := AsUser(t).Folder(t)
	for _, program := range []string{"newuidmap", "newgidmap", "getsubids", "fuse-overlayfs"} {
		if !slices.Contains(names, program) {
			os.Symlink("/usr/bin/"+program, filepath.Join(dir, program))
		}
	}
	return dir
}
