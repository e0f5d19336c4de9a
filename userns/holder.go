package userns

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/fork"
)

// create makes the namespace and its holder, and writes that down. The caller has
// the lock.
func create(places dirs.Dirs, o Options) (*Namespace, error) {
	ns, holder, err := begin(places, o)
	if err != nil {
		return nil, err
	}
	return ns, remember(places, holder)
}

// begin makes a namespace and its holder.
func begin(places dirs.Dirs, o Options) (*Namespace, int, error) {
	p := planFor(places.UID, os.Getegid())
	pid, err := startHolder(places, p)
	if err != nil && p.helpers {
		// The helpers refuse ranges that the files do not grant, or lost their
		// set-uid bit: one id is better than none.
		p = plan{uids: p.uids[:1], gids: p.gids[:1], lacking: err.Error()}
		pid, err = startHolder(places, p)
	}
	if err != nil {
		return nil, 0, explain(err)
	}
	if p.lacking != "" && o.Warn != nil {
		o.Warn("only one user id in containers, images that need more users will fail: " + p.lacking)
	}
	if o.Adopt != nil {
		_ = o.Adopt(pid) // documented as not fatal
	}
	ns, err := open(places, pid)
	return ns, pid, err
}

// startHolder forks a child into a new user namespace and, when that has its
// ids, lets it become the holder program.
func startHolder(places dirs.Dirs, p plan) (pid int, err error) {
	program, err := memfd("rl-holder", holderProgram(runtime.GOARCH))
	if err != nil {
		return 0, err
	}
	defer program.Close()
	wait, mapped, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer mapped.Close()
	child, err := fork.Start(holderSteps(places, int(wait.Fd()), int(mapped.Fd()), int(program.Fd())),
		fork.Options{Flags: unix.CLONE_NEWUSER})
	wait.Close()
	if err != nil {
		return 0, err
	}
	if err = p.write(child.PID); err == nil {
		_, err = mapped.Write([]byte{1})
	}
	mapped.Close()
	if failed := child.Wait(); err == nil {
		err = failed
	}
	if err != nil {
		unix.Kill(child.PID, unix.SIGKILL)
		unix.Wait4(child.PID, nil, 0, nil)
		return 0, err
	}
	return child.PID, nil
}

// holderSteps has the child wait for its ids, prove that its capabilities are
// real, and become the holder.
func holderSteps(places dirs.Dirs, wait, mapped, program int) *fork.Program {
	p := new(fork.Program)
	p.Call("close the parent's end", unix.SYS_CLOSE, mapped)
	p.Call("wait for ids", unix.SYS_READ, wait, make([]byte, 1), 1).Positive()
	// AppArmor lets the namespace be made and then takes the capabilities away.
	p.Call("use capabilities in a user namespace", unix.SYS_UNSHARE, int(unix.CLONE_NEWUTS))
	if places.Chosen != "" {
		p.Call("die with the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
	}
	p.Call("leave the folder", unix.SYS_CHDIR, "/")
	p.Call("start a session", unix.SYS_SETSID)
	for fd := range 3 {
		p.Call("close stdio", unix.SYS_CLOSE, fd).Allow(unix.EBADF)
	}
	p.Call("hide descriptors", unix.SYS_CLOSE_RANGE, 0, int(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	p.Call("become the holder", unix.SYS_EXECVEAT, program, "", []string{"rl-holder"}, places.Environ(), unix.AT_EMPTY_PATH)
	return p
}

// holderProgram returns a static program that does nothing but wait for a
// signal. Written out by hand it takes two pages of memory for as long as the
// person is logged in; the smallest Go program takes five hundred.
func holderProgram(arch string) []byte {
	const base, headers = 0x400000, 64 + 56
	machine, code := holderCode(arch)
	var elf []byte
	le := binary.LittleEndian
	elf = append(elf, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	elf = le.AppendUint16(elf, 2) // ET_EXEC
	elf = le.AppendUint16(elf, machine)
	elf = le.AppendUint32(elf, 1)            // version
	elf = le.AppendUint64(elf, base+headers) // entry point
	elf = le.AppendUint64(elf, 64)           // program headers follow
	elf = le.AppendUint64(elf, 0)            // no sections
	elf = le.AppendUint32(elf, 0)            // flags
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		elf = le.AppendUint16(elf, v) // sizes and counts of headers
	}
	elf = le.AppendUint32(elf, 1) // PT_LOAD
	elf = le.AppendUint32(elf, 5) // readable and executable
	size := uint64(headers + len(code))
	for _, v := range []uint64{0, base, base, size, size, 0x10000} {
		elf = le.AppendUint64(elf, v) // offset, addresses, sizes, alignment
	}
	return append(elf, code...)
}

// holderCode is "for { pause() }", with ppoll(2) where there is no pause(2).
func holderCode(arch string) (machine uint16, code []byte) {
	switch arch {
	case "amd64":
		return 62, []byte{
			0xb8, 34, 0, 0, 0, // mov eax, SYS_pause
			0x0f, 0x05, // syscall
			0xeb, 0xf7, // jmp to the start
		}
	case "arm64":
		for _, word := range []uint32{
			0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, // mov x0..x4, 0
			0xd2800928, // mov x8, SYS_ppoll
			0xd4000001, // svc 0
			0x17fffff9, // b to the start
		} {
			code = binary.LittleEndian.AppendUint32(code, word)
		}
		return 183, code
	}
	panic("userns: no holder program for " + arch)
}

// memfd returns an anonymous file with the given content.
func memfd(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return f, nil
}
