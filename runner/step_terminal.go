package runner

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// connect passes data between a step's terminal and the caller's, until the step
// has ended. The returned function waits for its last output.
func (s Step) connect(socket *os.File) (end func(), err error) {
	master, err := receiveTerminal(socket)
	if err != nil {
		return func() {}, fmt.Errorf("terminal: %w", err)
	}
	restore := func() {}
	if fd := int(s.Stdin.Fd()); term.IsTerminal(fd) {
		old, err := term.MakeRaw(fd)
		if err != nil {
			master.Close()
			return func() {}, fmt.Errorf("terminal: %w", err)
		}
		restore = func() { term.Restore(fd, old) }
	}
	sizes := make(chan os.Signal, 1)
	signal.Notify(sizes, unix.SIGWINCH)
	sizes <- unix.SIGWINCH // as it is now
	go func() {
		for range sizes {
			if size := TerminalSize(s.Stdin); size != (Size{}) {
				_ = setSize(master, size)
			}
		}
	}()
	go func() { _, _ = io.Copy(master, s.Stdin) }()
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.Copy(s.Stdout, master)
	}()
	return func() {
		<-said
		signal.Stop(sizes)
		close(sizes)
		master.Close()
		restore()
	}, nil
}
