package integration

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUnshare(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Want(t, "0", "unshare", "id", "-u")
		e.Want(t, "-n x", "unshare", "printf", "%s %s", "-n", "x")
		e.Run(t, "unshare", "sh", "-c", "exit 7").Exits(t, 7)
		e.Run(t, "unshare", "sh", "-c", "kill -TERM $$").Exits(t, 143)
		e.Run(t, "unshare", "no-such-program").Exits(t, 127).Says(t, "no-such-program")
		e.Run(t, "unshare", "/etc/passwd").Exits(t, 126).Says(t, "/etc/passwd")
		if r := e.Cmd("unshare").Input("id -u\n").Run(t); r.OK(t) != "0" { // $SHELL
			t.Error(r)
		}
	})
}

// Files that belong to other ids of a container are the person's to remove.
func TestUnshareRemoves(t *testing.T) {
	e := AsUser(t)
	name, data := e.Name(t), e.Folder(t)
	e.OK(t, "run", "--name", name, "-v", data+":/data", Image, "sh", "-c", "mkdir -m 700 /data/d; touch /data/d/f; chown -R 405:100 /data/d")
	if r := e.Tool("rm", "-r", data+"/d").Run(t); r.Code == 0 {
		t.Fatal("the files belonged to the person")
	}
	e.OK(t, "unshare", "rm", "-r", data+"/d")
	if _, err := os.Lstat(filepath.Join(data, "d")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
