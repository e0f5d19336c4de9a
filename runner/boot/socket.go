package boot

import "golang.org/x/sys/unix"

// firstSocket is where sd_listen_fds(3) has the sockets begin.
const firstSocket = 3

// MaxSockets is how many sockets a command can be given.
const MaxSockets = masterFD - firstSocket

// sockets puts the command's sockets where it expects them, and out of the way
// what the child still needs. It returns the new number of in.Ready.
func (b *builder) sockets(in Init) (ready int) {
	if len(in.Sockets) == 0 {
		return in.Ready
	}
	const what = "make room for sockets"
	b.MoveStatus(FirstHigh)
	b.Call(what, unix.SYS_DUP3, in.Ready, readyFD, unix.O_CLOEXEC)
	b.Call(what, unix.SYS_DUP3, b.root, rootFD, unix.O_CLOEXEC).Save(b.root)
	if in.Reaper != nil {
		b.Call(what, unix.SYS_DUP3, b.exe, exeFD, unix.O_CLOEXEC).Save(b.exe)
	}
	for i, fd := range in.Sockets {
		b.Call("place a socket", unix.SYS_DUP3, fd, firstSocket+i, 0)
	}
	return readyFD
}
