package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init is the first process of a container with --init: it runs args, forwards
// signals to it, reaps whatever else ends up as its child, and returns the exit
// code of args. It is called in the container, as process 1.
func Init(args []string) int {
	// Before the command starts, so that no signal is lost.
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	path, err := exec.LookPath(args[0])
	if err != nil {
		return initFailed(args[0], err)
	}
	if os.Getenv(listenFDs) != "" {
		path, args = "/proc/self/exe", append([]string{"rl", "init", "--"}, args...)
	}
	child, err := os.StartProcess(path, args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Foreground: isTerminal(0), Ctty: 0},
	})
	if err != nil {
		return initFailed(args[0], err)
	}
	for s := range signals {
		switch s {
		case unix.SIGCHLD:
			if code, ended := reap(child.Pid); ended {
				return code
			}
		case unix.SIGURG: // the Go runtime's own
		default:
			child.Signal(s)
		}
	}
	return CodeFailed
}

const listenFDs = "LISTEN_FDS"

// Activated reports whether this process is between process 1 and a command
// with sockets of systemd's, to call ExecActivated.
func Activated() bool { return os.Getppid() == 1 && os.Getenv(listenFDs) != "" }

// ExecActivated executes args in place of this process, whose id the sockets are
// for then. It returns the exit code of a failure.
func ExecActivated(args []string) int {
	path, err := exec.LookPath(args[0])
	if err == nil {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		err = unix.Exec(path, args, os.Environ())
	}
	return initFailed(args[0], err)
}

// reap takes in all children that have ended.
func reap(command int) (code int, ended bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return code, ended
		}
		if pid == command {
			code, ended = exitCode(status), true
		}
	}
}

func initFailed(name string, err error) int {
	if errors.Is(err, os.ErrPermission) {
		fmt.Fprintf(os.Stderr, "rl: exec: %q: permission denied\n", name)
		return CodeNotExecutable
	}
	if errors.Is(err, unix.ENOEXEC) {
		fmt.Fprintf(os.Stderr, "rl: exec: %q: not a program of this machine's kind (exec format error)\n", name)
		return CodeNotExecutable
	}
	fmt.Fprintf(os.Stderr, "rl: exec: %q: executable file not found in $PATH\n", name)
	return CodeNotFound
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
