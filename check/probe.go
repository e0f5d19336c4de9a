package check

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// attempt adds the system calls of something that is tried out to the program of a child. A nil attempt is just
// the child with its namespaces.
type attempt func(p *fork.Program)

// tryInNamespaces runs p in a child that is root of a new user namespace in which only the caller's id exists.
func (m *machine) tryInNamespaces(flags uint64, p attempt) error {
	prog := new(fork.Program)
	m.mapOneID(prog)
	if p != nil {
		p(prog)
	}
	prog.Exit()
	child, err := fork.Start(prog, fork.Options{Flags: flags | unix.CLONE_NEWUSER})
	if err != nil {
		return err
	}
	defer reap(child.PID)
	return child.Wait()
}

// mapOneID has the child write its own maps, which needs no privilege for one id; root's children have root's.
func (m *machine) mapOneID(p *fork.Program) {
	fd := p.NewSlot()
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("0 %d 1", m.uid)},
		{"gid_map", fmt.Sprintf("0 %d 1", m.gid)},
	} {
		p.Call("open "+f.name, unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/"+f.name, unix.O_WRONLY|unix.O_CLOEXEC, 0).Save(fd)
		p.Call("write "+f.name, unix.SYS_WRITE, fd, []byte(f.text), len(f.text))
		p.Call("close "+f.name, unix.SYS_CLOSE, fd)
	}
}

// reap ends the child, should it still run, and takes it off the process table. Errors are those of a child that
// is gone already.
func reap(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = unix.Wait4(pid, nil, 0, nil)
}

// writeMaps has the helpers map ranges into a child that waits for its end.
func (m *machine) writeMaps(uids, gids []idRange) error {
	prog := new(fork.Program)
	prog.Call("wait", unix.SYS_PPOLL, nil, 0, nil, nil, 0)
	child, err := fork.Start(prog, fork.Options{Flags: unix.CLONE_NEWUSER})
	if err != nil {
		return err
	}
	defer reap(child.PID)
	for _, h := range []struct {
		name   string
		own    int
		ranges []idRange
	}{{"newuidmap", m.uid, uids}, {"newgidmap", m.gid, gids}} {
		args := []string{strconv.Itoa(child.PID), "0", strconv.Itoa(h.own), "1"}
		next := 1
		for _, r := range h.ranges {
			args = append(args, strconv.Itoa(next), strconv.Itoa(r.first), strconv.Itoa(r.count))
			next += r.count
		}
		if out, err := exec.Command(h.name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", h.name, err, oneLine(string(out)))
		}
	}
	return nil
}

// mountable creates a file system of that type, with options key=value or key, without attaching it anywhere.
func mountable(kind string, options ...string) attempt {
	return func(p *fork.Program) {
		fs, mount := p.NewSlot(), p.NewSlot()
		p.Call("open "+kind, unix.SYS_FSOPEN, kind, unix.FSOPEN_CLOEXEC).Save(fs)
		for _, o := range options {
			key, value, hasValue := strings.Cut(o, "=")
			if hasValue {
				p.Call("set "+o, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, key, value, 0)
			} else {
				p.Call("set "+o, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_FLAG, key, nil, 0)
			}
		}
		p.Call("make "+kind, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, nil, nil, 0)
		p.Call("mount "+kind, unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, 0).Save(mount)
	}
}

// talkInNamespaces has a child send a message on a netlink socket of that family, and gives the kernel's answer.
func (m *machine) talkInNamespaces(flags uint64, family int, message []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	answer := make([]byte, 4096)
	err = m.try(flags, func(p *fork.Program) {
		socket, length := p.NewSlot(), p.NewSlot()
		p.Call("open a netlink socket", unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family).Save(socket)
		p.Call("send to netlink", unix.SYS_SENDTO, socket, message, len(message), 0, nil, 0)
		p.Call("receive from netlink", unix.SYS_RECVFROM, socket, answer, len(answer), 0, nil, nil).Save(length)
		p.Call("pass the answer on", unix.SYS_WRITE, int(w.Fd()), answer, length)
	})
	w.Close()
	if err != nil {
		return err
	}
	n, err := r.Read(answer)
	if err != nil {
		return err
	}
	return netlinkError(answer[:n])
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
