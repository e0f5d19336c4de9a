package boot

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// stdio gives the process its standard descriptors, owned by its user so that
// /dev/stdout can be opened again, and a session of its own.
func (b *builder) stdio(s Stdio, p *specs.Process, first bool) {
	b.Call("start a session", unix.SYS_SETSID)
	if p.Terminal {
		b.terminal(s.Console, p, first)
		return
	}
	for target, fd := range []int{s.In, s.Out, s.Err} {
		b.Call("own stdio", unix.SYS_FCHOWN, fd, int(p.User.UID), int(p.User.GID)).Allow()
		b.Call("place stdio", unix.SYS_DUP3, fd, target, 0)
	}
}

// terminal makes a pseudo terminal of the container's own and sends its other
// side to the parent.
func (b *builder) terminal(console int, p *specs.Process, first bool) {
	unlock := new(int32)
	b.Call("open a terminal", unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0).Save(b.master)
	b.Call("unlock the terminal", unix.SYS_IOCTL, b.master, unix.TIOCSPTLCK, fork.Pointer(unlock))
	b.Call("open the terminal's inner side", unix.SYS_IOCTL, b.master, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY).Save(b.slave)
	b.Call("own the terminal", unix.SYS_FCHOWN, b.slave, int(p.User.UID), -1).Allow()
	if first {
		b.console()
	}
	b.Call("place the terminal", unix.SYS_DUP3, b.master, masterFD, unix.O_CLOEXEC)
	b.send("hand over the terminal", console, masterFD)
	b.Call("take the terminal", unix.SYS_IOCTL, b.slave, unix.TIOCSCTTY, 0)
	for target := range 3 {
		b.Call("place stdio", unix.SYS_DUP3, b.slave, target, 0)
	}
	b.Call("close the terminal's outer side", unix.SYS_CLOSE, masterFD)
	b.Call("close the terminal's outer side", unix.SYS_CLOSE, b.master)
}

// console binds the terminal, number 0 of a new devpts, to /dev/console.
func (b *builder) console() {
	b.Call("make /dev/console", unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/console", unix.O_CREAT|unix.O_CLOEXEC, 0o600).Save(b.target).Allow(unix.EROFS)
	b.Call("open the console", unix.SYS_OPEN_TREE, unix.AT_FDCWD, "/dev/pts/0", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).Save(b.mount)
	b.Call("mount the console", unix.SYS_MOVE_MOUNT, b.mount, "", unix.AT_FDCWD, "/dev/console", unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// send passes descriptor fd over a socket.
func (b *builder) send(what string, socket, fd int) {
	payload := []byte{0}
	control := unix.UnixRights(fd)
	iov := &unix.Iovec{Base: &payload[0], Len: 1}
	message := &unix.Msghdr{Iov: iov, Iovlen: 1, Control: &control[0]}
	message.SetControllen(len(control))
	b.Pin(payload)
	b.Pin(control)
	b.Pin(iov)
	b.Call(what, unix.SYS_SENDMSG, socket, fork.Pointer(message), 0)
}
