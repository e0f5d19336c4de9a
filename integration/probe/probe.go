// Command probe makes system calls that Docker's seccomp profile forbids, with
// arguments that the kernel would refuse otherwise, and prints what each gave.
// The tests run it in a container.
package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var calls = []struct {
	name   string
	number uintptr
}{
	{"acct", unix.SYS_ACCT},
	{"add_key", unix.SYS_ADD_KEY},
	{"bpf", unix.SYS_BPF},
	{"clock_settime", unix.SYS_CLOCK_SETTIME},
	{"clone3", unix.SYS_CLONE3},
	{"delete_module", unix.SYS_DELETE_MODULE},
	{"finit_module", unix.SYS_FINIT_MODULE},
	{"fsopen", unix.SYS_FSOPEN},
	{"init_module", unix.SYS_INIT_MODULE},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP},
	{"kexec_load", unix.SYS_KEXEC_LOAD},
	{"keyctl", unix.SYS_KEYCTL},
	{"mount", unix.SYS_MOUNT},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR},
	{"move_mount", unix.SYS_MOVE_MOUNT},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT},
	{"open_tree", unix.SYS_OPEN_TREE},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN},
	{"pivot_root", unix.SYS_PIVOT_ROOT},
	{"quotactl", unix.SYS_QUOTACTL},
	{"reboot", unix.SYS_REBOOT},
	{"request_key", unix.SYS_REQUEST_KEY},
	{"setdomainname", unix.SYS_SETDOMAINNAME},
	{"sethostname", unix.SYS_SETHOSTNAME},
	{"setns", unix.SYS_SETNS},
	{"settimeofday", unix.SYS_SETTIMEOFDAY},
	{"swapoff", unix.SYS_SWAPOFF},
	{"swapon", unix.SYS_SWAPON},
	{"syslog", unix.SYS_SYSLOG},
	{"umount2", unix.SYS_UMOUNT2},
	{"unshare", unix.SYS_UNSHARE},
	{"userfaultfd", unix.SYS_USERFAULTFD},
	{"vhangup", unix.SYS_VHANGUP},
	{"a call of the future", 4000},
	{"getpid", unix.SYS_GETPID},
	{"openat", unix.SYS_OPENAT},
	{"ptrace", unix.SYS_PTRACE},
	{"statx", unix.SYS_STATX},
}

func main() {
	const none = ^uintptr(0)
	for _, c := range calls {
		_, _, errno := unix.RawSyscall6(c.number, none, none, none, none, none, none)
		name := unix.ErrnoName(errno)
		if errno == 0 {
			name = "ok"
		}
		fmt.Printf("%s: %s\n", c.name, name)
	}
	_, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	fmt.Printf("socket(AF_VSOCK): %v\n", err)
}
