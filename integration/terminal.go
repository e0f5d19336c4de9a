package integration

import (
	"context"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Terminal is a command on a terminal of its own, as a person would use it.
type Terminal struct {
	*Proc
	master *os.File
}

// Terminal starts the command on a new terminal of 80 columns and 24 rows,
// as the leader of a session of which it is the controlling terminal.
func (c *Cmd) Terminal(t testing.TB) *Terminal {
	t.Helper()
	master, slave, err := openPTY(c.env.Account)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proc{cmd: c, x: c.Process(ctx), out: newCapture(), errs: newCapture(), done: make(chan struct{})}
	p.x.Stdin, p.x.Stdout, p.x.Stderr = slave, slave, slave
	p.x.SysProcAttr.Setsid, p.x.SysProcAttr.Setctty = true, true
	tm := &Terminal{p, master}
	tm.Resize(t, 24, 80)
	if err := c.env.mounts.start(p.x); err != nil {
		cancel()
		t.Fatalf("%s: %v", c, err)
	}
	go tm.collect()
	t.Cleanup(func() { cancel(); master.Close(); <-p.done })
	return tm
}

// collect reads what the terminal shows. Linux says EIO once the last process
// has closed the other side, which may be later than the command's own end.
func (tm *Terminal) collect() {
	end := make(chan struct{})
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := tm.master.Read(buf)
			tm.out.Write(buf[:n])
			if err != nil {
				break
			}
		}
		tm.out.close()
		close(end)
	}()
	tm.x.Wait()
	<-end
	close(tm.done)
}

// Type sends keys.
func (tm *Terminal) Type(t testing.TB, keys string) {
	t.Helper()
	if _, err := tm.master.WriteString(keys); err != nil {
		t.Fatalf("%s: type %q: %v", tm.cmd, keys, err)
	}
}

// Resize changes the size of the terminal, which signals its session.
func (tm *Terminal) Resize(t testing.TB, rows, cols uint16) {
	t.Helper()
	size := unix.Winsize{Row: rows, Col: cols}
	err := control(tm.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Mode is the terminal's settings, as `stty` reads them.
func (tm *Terminal) Mode(t testing.TB) unix.Termios {
	t.Helper()
	var m *unix.Termios
	err := control(tm.master, func(fd int) (err error) {
		m, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// control runs f with the descriptor of a file. File.Fd would make reads
// block, and Close would then not end them.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// openPTY opens a new terminal that the account owns.
func openPTY(a Account) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var n int
	err = control(master, func(fd int) (err error) {
		if n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	})
	if err != nil {
		master.Close()
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	slave, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil {
		err = os.Chown(name, a.UID, a.GID)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}
