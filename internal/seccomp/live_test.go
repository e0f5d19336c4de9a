package seccomp

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onFilteredThread runs f on a thread of its own behind the filter; the thread ends with f.
func onFilteredThread(t *testing.T, prog []unix.SockFilter, f func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := install(prog)
		if err == nil {
			f()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// install loads prog for the calling thread.
func install(prog []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return e
	}
	return nil
}

// The kernel must refuse every call that the program refuses, with the same error. Calls that it lets through
// are not tried: some never return.
func TestKernelRefusesWhatTheProgramRefuses(t *testing.T) {
	prog, err := Default(dockerCaps())
	if err != nil {
		t.Fatal(err)
	}
	audit := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	const all = ^uintptr(0)
	tried := 0
	onFilteredThread(t, prog, func() {
		for n := range uintptr(600) {
			d := data{number: uint32(n), audit: audit, args: [6]uint64{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}}
			want := run(t, prog, d)
			if want&unix.SECCOMP_RET_ACTION_FULL != unix.SECCOMP_RET_ERRNO {
				continue
			}
			if runtime.GOARCH == "amd64" && (n == 335 || n == 336) {
				continue // uretprobe and uprobe, which the kernel calls by itself: it does not ask any filter
			}
			tried++
			_, _, e := unix.Syscall6(n, all, all, all, all, all, all)
			if uint32(e) != want&unix.SECCOMP_RET_DATA {
				t.Errorf("call %d: %v, want %v", n, e, unix.Errno(want&unix.SECCOMP_RET_DATA))
			}
		}
	})
	if tried < 100 {
		t.Errorf("only %d calls were refused by the program: the test has tried next to nothing", tried)
	}
}

func TestKernelOnArguments(t *testing.T) {
	prog, err := Default(dockerCaps())
	if err != nil {
		t.Fatal(err)
	}
	onFilteredThread(t, prog, func() {
		if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
			t.Errorf("socket(AF_INET): %v", err)
		} else {
			unix.Close(fd)
		}
		for _, family := range []uintptr{unix.AF_VSOCK, unix.AF_ALG, 1<<32 | unix.AF_ALG} {
			if _, _, e := unix.Syscall(unix.SYS_SOCKET, family, unix.SOCK_SEQPACKET, 0); e != unix.EPERM {
				t.Errorf("socket(%#x): %v, want EPERM", family, e)
			}
		}
		if err := unix.Unshare(unix.CLONE_NEWUSER); err != unix.EPERM {
			t.Errorf("unshare(CLONE_NEWUSER): %v, want EPERM", err)
		}
		if _, _, e := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0); e != unix.ENOSYS {
			t.Errorf("clone3: %v, want ENOSYS", e)
		}
	})
}

// BenchmarkInstall is what the kernel takes to check and translate a program, and Go to make a thread for it.
func BenchmarkInstall(b *testing.B) {
	standard, err := Default(dockerCaps())
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		prog []unix.SockFilter
	}{{"nothing", []unix.SockFilter{ret(unix.SECCOMP_RET_ALLOW)}}, {"default", standard}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				done := make(chan error)
				go func() {
					runtime.LockOSThread()
					done <- install(bench.prog)
				}()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
