package boot

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/spec"
)

// mountRoot mounts the root file system and opens it as b.root.
func (b *builder) mountRoot(in Init) {
	m := in.Mount
	switch {
	case m.Bind != "":
		b.Call("mount "+m.Bind, unix.SYS_MOUNT, m.Bind, in.Root, nil, unix.MS_BIND|unix.MS_REC, nil)
	case m.FUSE != 0:
		b.Call("open /dev/fuse", unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0).Save(b.fs)
		b.Call("place /dev/fuse", unix.SYS_DUP3, b.fs, fuseFD, unix.O_CLOEXEC)
		b.send("hand over /dev/fuse", m.FUSE, fuseFD)
		uid, gid := Owner(in.Spec)
		data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other,default_permissions", fuseFD, uid, gid)
		b.Call("mount fuse-overlayfs", unix.SYS_MOUNT, "fuse-overlayfs", in.Root, "fuse.fuse-overlayfs", unix.MS_NODEV|unix.MS_NOSUID, data)
		// So that the mount fails, and does not hang, if the server goes away.
		b.Call("close /dev/fuse", unix.SYS_CLOSE, fuseFD)
		b.Call("close /dev/fuse", unix.SYS_CLOSE, b.fs)
	default:
		b.Call("enter the image store", unix.SYS_CHDIR, m.Folder)
		b.Call("mount the image", unix.SYS_MOUNT, "overlay", in.Root, "overlay", 0, m.Options)
	}
	b.Call("open the root", unix.SYS_OPENAT, unix.AT_FDCWD, in.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0).Save(b.root)
}

// options are the words of a specs.Mount, sorted by what they are for.
type options struct {
	attr        unix.MountAttr
	recursive   bool // attr counts for everything mounted below, too
	withBelow   bool // rbind
	fileSystems []string
}

// attributes are mount options of the mount itself, by name.
func attribute(word string) (set, clear uint64, ok bool) {
	switch word {
	case "ro", "rro":
		return unix.MOUNT_ATTR_RDONLY, 0, true
	case "nosuid":
		return unix.MOUNT_ATTR_NOSUID, 0, true
	case "nodev":
		return unix.MOUNT_ATTR_NODEV, 0, true
	case "noexec":
		return unix.MOUNT_ATTR_NOEXEC, 0, true
	case "nodiratime":
		return unix.MOUNT_ATTR_NODIRATIME, 0, true
	case "noatime":
		return unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME, true
	case "strictatime":
		return unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME, true
	case "rw", "relatime", "suid", "dev", "exec", "defaults", "bind", "async":
		return 0, 0, true // as mounts are without a word
	}
	return 0, 0, false
}

func propagation(word string) uint64 {
	switch strings.TrimPrefix(word, "r") {
	case "private":
		return unix.MS_PRIVATE
	case "shared":
		return unix.MS_SHARED
	case "slave":
		return unix.MS_SLAVE
	}
	return 0
}

func parseOptions(words []string) options {
	var o options
	for _, word := range words {
		if set, clear, ok := attribute(word); ok {
			o.attr.Attr_set |= set
			o.attr.Attr_clr |= clear
			o.recursive = o.recursive || word == "rro"
		} else if p := propagation(word); p != 0 {
			o.attr.Propagation = p
		} else if word == "rbind" {
			o.withBelow = true
		} else {
			o.fileSystems = append(o.fileSystems, word)
		}
	}
	return o
}

// mountEntry mounts one entry of the spec.
func (b *builder) mountEntry(m specs.Mount, trees map[string]int) {
	o := parseOptions(m.Options)
	switch m.Type {
	case "bind":
		b.bind(m, o, trees[m.Destination])
	case "cgroup":
		// Not there on machines without cgroup v2, and then no loss.
		b.fileSystem(specs.Mount{Destination: m.Destination, Type: "cgroup2", Source: m.Source}, o, true)
	default:
		b.fileSystem(m, o, false)
	}
}

// bind mounts a file or folder of the host: tree if that is not 0, or what the
// child finds. The attributes are set before the mount can be seen.
func (b *builder) bind(m specs.Mount, o options, tree int) {
	source := m.Source
	if tree != 0 {
		source = "/proc/self/fd/" + strconv.Itoa(tree)
		b.Call("take "+m.Source, unix.SYS_FCNTL, tree, unix.F_DUPFD_CLOEXEC, 0).Save(b.mount)
	} else {
		flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
		if o.withBelow {
			flags |= unix.AT_RECURSIVE
		}
		b.Call("open "+m.Source, unix.SYS_OPEN_TREE, unix.AT_FDCWD, m.Source, flags).Save(b.mount)
	}
	below := 0
	if o.recursive {
		below = unix.AT_RECURSIVE
	}
	b.setAttr("set options of "+m.Source, b.mount, below, o.attr)
	info, err := os.Stat(source)
	b.find(m.Destination, err == nil && !info.IsDir())
	b.attach(m.Source + " on " + m.Destination)
}

// fileSystem mounts a new file system. Where it is optional, a kernel that
// does not have it, or does not give it to this user, is no error.
func (b *builder) fileSystem(m specs.Mount, o options, optional bool) {
	var done fork.Label
	qualify := func(s fork.Step) fork.Step {
		if optional {
			s = s.Allow().Else(&done)
		}
		return s
	}
	what := "mount " + m.Type + " on " + m.Destination
	qualify(b.Call(what, unix.SYS_FSOPEN, m.Type, unix.FSOPEN_CLOEXEC)).Save(b.fs)
	if m.Source != "" {
		qualify(b.Call(what, unix.SYS_FSCONFIG, b.fs, unix.FSCONFIG_SET_STRING, "source", m.Source, 0))
	}
	for _, option := range o.fileSystems {
		if key, value, ok := strings.Cut(option, "="); ok {
			qualify(b.Call(what+" with "+option, unix.SYS_FSCONFIG, b.fs, unix.FSCONFIG_SET_STRING, key, value, 0))
		} else {
			qualify(b.Call(what+" with "+option, unix.SYS_FSCONFIG, b.fs, unix.FSCONFIG_SET_FLAG, key, nil, 0))
		}
	}
	qualify(b.Call(what, unix.SYS_FSCONFIG, b.fs, unix.FSCONFIG_CMD_CREATE, nil, nil, 0))
	qualify(b.Call(what, unix.SYS_FSMOUNT, b.fs, unix.FSMOUNT_CLOEXEC, o.attr.Attr_set)).Save(b.mount)
	b.find(m.Destination, false)
	b.attach(m.Type + " on " + m.Destination)
	b.Mark(&done)
}

// attach puts b.mount onto b.target.
func (b *builder) attach(what string) fork.Step { return b.attachFrom(b.mount, what) }

func (b *builder) attachFrom(mount fork.Slot, what string) fork.Step {
	return b.Call("mount "+what, unix.SYS_MOVE_MOUNT, mount, "", b.target, "",
		unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

func (b *builder) setAttr(what string, mount fork.Slot, flags int, attr unix.MountAttr) {
	if attr == (unix.MountAttr{}) {
		return
	}
	b.Call(what, unix.SYS_MOUNT_SETATTR, mount, "", unix.AT_EMPTY_PATH|flags, fork.Pointer(&attr), int(unsafe.Sizeof(attr)))
}

// devLinks makes the links of /dev that programs expect.
func (b *builder) devLinks() {
	b.find("/dev", false)
	for _, l := range spec.CoreLinks() {
		// A /dev of the user's own may have them, or be read-only.
		b.Call("make "+l[0], unix.SYS_SYMLINKAT, l[1], b.target, path.Base(l[0])).Allow(unix.EEXIST, unix.EROFS, unix.EACCES, unix.EPERM)
	}
}

// hidePaths covers what Docker covers in /proc and /sys: folders with an empty
// read-only one, files with /dev/null.
func (b *builder) hidePaths(l *specs.Linux) {
	if len(l.MaskedPaths) > 0 {
		b.Call("make an empty folder", unix.SYS_FSOPEN, "tmpfs", unix.FSOPEN_CLOEXEC).Save(b.fs)
		b.Call("make an empty folder", unix.SYS_FSCONFIG, b.fs, unix.FSCONFIG_CMD_CREATE, nil, nil, 0)
		b.Call("make an empty folder", unix.SYS_FSMOUNT, b.fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV).Save(b.fs)
	}
	for _, p := range l.MaskedPaths {
		b.mask(p)
	}
	for _, p := range l.ReadonlyPaths {
		var missing fork.Label
		b.open("look up "+p, p, unix.O_PATH).Save(b.target).Allow(unix.ENOENT, unix.ENOTDIR).Else(&missing)
		b.cloneMount("protect "+p, b.target, unix.AT_RECURSIVE)
		b.setAttr("protect "+p, b.mount, unix.AT_RECURSIVE, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		b.attach("protected " + p)
		b.Mark(&missing)
	}
}

func (b *builder) mask(p string) {
	var folder, first, done fork.Label
	b.open("look up "+p, p, unix.O_PATH).Save(b.target).Allow(unix.ENOENT, unix.ENOTDIR).Else(&done)
	b.Call("hide "+p, unix.SYS_OPEN_TREE, unix.AT_FDCWD, "/dev/null", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).Save(b.mount)
	b.attach("nothing on "+p).Allow(unix.ENOTDIR, unix.EINVAL).Else(&folder)
	b.Goto(&done)
	// Before Linux 6.15 only an attached mount can be copied, so there the
	// first folder gets the mount itself, and the others copies of it.
	b.Mark(&folder)
	b.cloneMount("hide "+p, b.fs, 0).Allow(unix.EINVAL).Else(&first)
	b.attach("nothing on " + p)
	b.Goto(&done)
	b.Mark(&first)
	b.attachFrom(b.fs, "nothing on "+p)
	b.Mark(&done)
}

// cloneMount makes b.mount a detached copy of the mount at slot.
func (b *builder) cloneMount(what string, slot fork.Slot, flags int) fork.Step {
	return b.Call(what, unix.SYS_OPEN_TREE, slot, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags).Save(b.mount)
}
