package integration

import (
	"fmt"
	"testing"
)

// singleID is an installation without the programs that map subordinate ids.
func singleID(t *testing.T) *Env {
	t.Helper()
	e := Fresh(t, Ordinary)
	path := "PATH=" + pathWithout(t, "newuidmap", "newgidmap")
	r := e.Cmd("unshare", "/bin/cat", "/proc/self/uid_map").Set(path).Run(t)
	r.Says(t, "only one user id in containers", "newuidmap is not installed")
	var first, outside, size int
	if _, err := fmt.Sscan(r.OK(t), &first, &outside, &size); err != nil || first != 0 || outside != e.Account.UID || size != 1 {
		t.Fatalf("the map is %q, %v", r.OK(t), err)
	}
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	return e
}

// With one id containers run as their root, who is the person outside, or with
// keep-id as the person.
func TestSingleID(t *testing.T) {
	e := singleID(t)
	script := "id -u; touch /data/$0; stat -c %u /data/$0 /bin/busybox"
	for _, network := range []string{"none", "bridge", "host"} {
		dir := e.Folder(t)
		e.Want(t, "0\n0\n0", "run", "--rm", "--network", network, "-v", dir+":/data", Image, "sh", "-c", script, network)
		e.Want(t, fmt.Sprintf("%[1]d\n%[1]d\n%[1]d", e.Account.UID),
			"run", "--rm", "--network", network, "--userns", "keep-id", "-v", dir+":/data", Image, "sh", "-c", script, "kept-"+network)
	}
}

// A user that there is no id for is refused by name.
func TestSingleIDOtherUser(t *testing.T) {
	e := singleID(t)
	r := e.Cmd("run", "--rm", "--network", "none", "-u", "1000", Image, "true").Run(t)
	r.Exits(t, 125).Says(t, "user 1000", "/etc/subuid")
	e.Want(t, "", "ps", "-aq")
}
