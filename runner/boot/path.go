package boot

import (
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// Paths below belong to the image or the user. They are looked up by openat2(2)
// with RESOLVE_IN_ROOT, so that no link, however it is made, leads out of the
// container's root file system.

// open opens p, as seen from the container's root.
func (b *builder) open(what, p string, flags uint64) fork.Step {
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	return b.Call(what, unix.SYS_OPENAT2, b.root, p, fork.Pointer(how), int(unsafe.Sizeof(*how)))
}

// find opens p as b.target and makes it, with the folders above it, where it
// is missing: as an empty file or as a folder.
func (b *builder) find(p string, file bool) {
	var missing, found fork.Label
	p = path.Clean("/" + p)
	b.open("look up "+p, p, unix.O_PATH).Save(b.target).Allow(unix.ENOENT).Else(&missing)
	b.Goto(&found)
	b.Mark(&missing)
	b.open("look up /", "/", unix.O_PATH).Save(b.target)
	parts := strings.Split(p[1:], "/")
	for i, name := range parts {
		here := "/" + strings.Join(parts[:i+1], "/")
		if file && i == len(parts)-1 {
			flags := unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
			b.Call("make "+here, unix.SYS_OPENAT, b.target, name, flags, 0o755)
		} else {
			b.Call("make "+here, unix.SYS_MKDIRAT, b.target, name, 0o755).Allow(unix.EEXIST)
		}
		b.open("look up "+here, here, unix.O_PATH).Save(b.target)
	}
	b.Mark(&found)
}
