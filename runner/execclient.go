package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Exec runs one more process in a running container and returns its exit code,
// 0 for a detached one.
func (s Store) Exec(ctx context.Context, id string, o ExecOptions, st Streams) (int, error) {
	request := Request{Op: OpExec, ID: id, Exec: &o}
	switch {
	case o.Detach:
		w, err := s.execute(ctx, request)
		if err != nil {
			return 0, err
		}
		return 0, w.Close()
	case o.TTY:
		return s.execTerminal(ctx, request, st)
	}
	return s.execPiped(ctx, request, st)
}

// execute sends the request and returns once the process runs.
func (s Store) execute(ctx context.Context, request Request, files ...*os.File) (*wire, error) {
	w, err := s.request(ctx, request, files...)
	if err != nil {
		return nil, err
	}
	var reply Reply
	if err := w.receiveJSON(frameReply, &reply); err != nil {
		w.Close()
		return nil, fmt.Errorf("%w: %.12s", ErrNotRunning, request.ID)
	}
	if err := reply.err(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// execPiped hands the process its ends of three pipes. They are pipes even
// where this process has a terminal, which a container must not get hold of.
func (s Store) execPiped(ctx context.Context, request Request, st Streams) (int, error) {
	out, outChild, err := pipe()
	if err != nil {
		return 0, err
	}
	errs, errChild, err := pipe()
	if err != nil {
		return 0, err
	}
	inChild, in, err := execInput(st.In)
	if err != nil {
		return 0, err
	}
	w, err := s.execute(ctx, request, inChild, outChild, errChild)
	closeAll([]*os.File{inChild, outChild, errChild})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	if in != nil {
		go func() { io.Copy(in, st.In); in.Close() }()
	}
	var copies sync.WaitGroup
	copies.Go(func() { copyOutput(st.Out, out); out.Close() })
	copies.Go(func() { copyOutput(st.Err, errs); errs.Close() })
	exit, err := w.awaitExit(ctx)
	leaveSoon(out, errs)
	copies.Wait()
	return exit.Code, err
}

// leaveSoon ends the copying of output some time after the process has ended:
// what it left running in the background may hold its output open for ever. The
// time is Docker's.
func leaveSoon(output ...*os.File) {
	for _, f := range output {
		f.SetReadDeadline(time.Now().Add(outputTime))
	}
}

// copyOutput copies until the end, or until the deadline: then what is there
// already, which may be the process's own last words, is copied as well.
func copyOutput(to io.Writer, from *os.File) {
	if _, err := io.Copy(to, from); !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if waiting := readable(from); waiting > 0 {
		from.SetReadDeadline(time.Time{})
		io.CopyN(to, from, int64(waiting))
	}
}

// readable is how many bytes can be read at once.
func readable(f *os.File) (n int) {
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return n
}

// execInput returns the process's stdin, and the end to write to if there is
// something to send.
func execInput(from *os.File) (child, ours *os.File, err error) {
	if from == nil {
		child, err = os.Open(os.DevNull)
		return child, nil, err
	}
	return inputPipe()
}

// execTerminal connects this process's terminal with the new one in the
// container, whose outer side the monitor has sent.
func (s Store) execTerminal(ctx context.Context, request Request, st Streams) (int, error) {
	w, err := s.execute(ctx, request)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	files := w.files()
	if len(files) != 1 {
		return 0, errors.New("no terminal came from the container's monitor")
	}
	master := files[0]
	defer master.Close()
	restore, err := st.raw()
	if err != nil {
		return 0, err
	}
	defer restore()
	stop := followSize(st.In, master)
	defer stop()
	detached := make(chan struct{})
	if st.In != nil {
		go func() {
			if errors.Is(copyKeys(master, st), ErrDetached) {
				close(detached)
				w.conn.CloseRead()
			}
		}()
	}
	finished := make(chan struct{})
	go func() { copyOutput(st.Out, master); close(finished) }()
	exit, err := w.awaitExit(ctx)
	leaveSoon(master)
	select {
	case <-detached:
		return 0, ErrDetached
	case <-finished:
	}
	return exit.Code, err
}

// copyKeys sends what is typed to the terminal.
func copyKeys(master *os.File, st Streams) error {
	input := io.Reader(st.In)
	if len(st.DetachKeys) > 0 && term.IsTerminal(int(st.In.Fd())) {
		input = &keyReader{from: st.In, keys: st.DetachKeys}
	}
	_, err := io.Copy(master, input)
	return err
}

// followSize gives terminal the size of ours, now and when it changes.
func followSize(ours, terminal *os.File) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	go func() {
		for range changes {
			if size := TerminalSize(ours); size != (Size{}) {
				setSize(terminal, size)
			}
		}
	}()
	return func() { signal.Stop(changes); close(changes) }
}
