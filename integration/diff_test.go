package integration

import "testing"

func TestDiff(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "--name", name, Image, "true")
		e.Want(t, "", "diff", name)
		name = e.Name(t)
		e.OK(t, "run", "--name", name, Image, "sh", "-c", "mkdir -p /new/sub; echo x >/new/sub/f; rm /etc/group; echo x >>/etc/passwd; rm -r /tmp; mkdir /tmp; echo x >/tmp/f")
		want := "C /etc\nD /etc/group\nC /etc/passwd\nA /new\nA /new/sub\nA /new/sub/f\nC /tmp\nA /tmp/f"
		e.Want(t, want, "diff", name)
		e.Run(t, "diff", "no-such-one").Exits(t, 1).Says(t, "no such container")
	})
}

// The changes of a running container are seen as they come; what is mounted
// into it is no change of its own.
func TestDiffOfARunningContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, data := e.Name(t), e.Folder(t)
		e.ready(t, name, "-v", data+":/etc/apk", "-v", "/usr/local", "--tmpfs", "/srv")
		e.OK(t, "exec", name, "sh", "-c", "touch /etc/apk/a /usr/local/b /srv/c /dev/shm/d; mkdir -m 700 /mine; touch /mine/e; chown -R 405:100 /mine; chmod 600 /etc/motd; rm -r /media; ln -s /etc /media")
		want := "C /etc\nC /etc/motd\nC /media\nA /mine\nA /mine/e"
		e.Want(t, want, "diff", name)
		id := e.OK(t, "inspect", "-f", "{{.Id}}", name)
		e.Want(t, want, "container", "diff", id[:12])
	})
}

func TestDiffRefuses(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.OK(t, "create", "--name", name, Image, "true")
	e.Run(t, "diff").Exits(t, 125).Says(t, "CONTAINER")
	e.Run(t, "diff", name, name).Exits(t, 125).Says(t, "unexpected argument")
	e.Run(t, "diff", "--human", name).Exits(t, 125).Says(t, "--human")
	e.Want(t, "", "diff", name)
}
