package runner

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sockets is the folder of the monitors' sockets.
func (s Store) sockets() string { return filepath.Join(s.Runtime, "sockets") }

// network is the folder of the network process.
func (s Store) network() string { return filepath.Join(s.Runtime, "network") }

// socketAddress returns an address of the container's socket and a function to
// call after use. The address leads through a descriptor of the folder, as it
// must fit 108 bytes (unix(7)) and runtime folders may be deep.
func (s Store) socketAddress(id string) (*net.UnixAddr, func(), error) {
	dir, err := os.OpenFile(s.sockets(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), id[:32])
	return &net.UnixAddr{Net: "unix", Name: name}, func() { dir.Close() }, nil
}

// listen opens the monitor's socket. One that is there was left by a killed
// monitor: the container's lock is ours.
func (m *monitor) listen() error {
	path := filepath.Join(m.store.sockets(), m.ID[:32])
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	address, done, err := m.store.socketAddress(m.ID)
	if err != nil {
		return err
	}
	defer done()
	if m.socket, err = net.ListenUnix("unix", address); err != nil {
		return err
	}
	m.socket.SetUnlinkOnClose(false) // its address is gone by then
	return nil
}

// hangUp closes the socket and takes it away. It is called with the container's
// lock: without, the socket may be that of the next monitor.
func (m *monitor) hangUp() {
	os.Remove(filepath.Join(m.store.sockets(), m.ID[:32]))
	m.socket.Close()
}

const (
	// requestTime is how long a command may take to say what it wants.
	requestTime = 10 * time.Second
	acceptPause = 100 * time.Millisecond
)

// accept serves commands until the socket is closed.
func (m *monitor) accept() {
	for {
		conn, err := m.socket.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptor is free, for example
			time.Sleep(acceptPause)
			continue
		}
		m.serving.Go(func() { m.serve(newWire(conn)) })
	}
}

// serve answers one command.
func (m *monitor) serve(w *wire) {
	defer w.Close()
	defer m.idler.Touch()
	var r Request
	w.conn.SetReadDeadline(time.Now().Add(requestTime))
	if err := w.receiveJSON(frameRequest, &r); err != nil {
		return
	}
	w.conn.SetReadDeadline(time.Time{})
	switch r.Op {
	case OpAttach:
		m.attach(w, r.Attach)
		return
	case OpHealthy:
		w.sendJSON(frameReply, answer(m.ID, m.awaitHealthy(w)))
		return
	case OpExec:
		m.exec(w, *r.Exec)
		return
	case OpKill:
		w.sendJSON(frameReply, answer(m.ID, m.kill(syscall.Signal(r.Signal), r.ByUnit)))
		return
	case OpPause:
		w.sendJSON(frameReply, m.pause())
		return
	case OpHold:
		m.hold(w)
		return
	case OpUnpause:
		w.sendJSON(frameReply, m.resume())
		return
	case OpRename:
		w.sendJSON(frameReply, m.renameRunning(r.Name))
		return
	case OpUpdate:
		w.sendJSON(frameReply, m.updateRunning(*r.Update))
		return
	case OpConnect:
		w.sendJSON(frameReply, m.connectRunning(*r.Network))
		return
	case OpDisconnect:
		w.sendJSON(frameReply, m.disconnectRunning(r.Network.Network))
		return
	case OpTop:
		w.sendJSON(frameReply, m.top())
		return
	case OpStats:
		m.serveStats(w)
		return
	case OpStop:
		signal, timeout := syscall.Signal(r.Signal), m.stopTimeout()
		if signal == 0 {
			signal = syscall.Signal(m.facts.StopSignal)
		}
		if r.Timeout != nil {
			timeout = *r.Timeout
		}
		m.wishedBy(r.ByUnit)
		m.stop(signal, timeout)
	case OpWait:
		select {
		case <-m.over:
		case <-w.gone():
			return
		}
	default:
		w.sendJSON(frameReply, answer("", errors.New("unknown request: is this rl older than the container's?")))
		return
	}
	w.sendJSON(frameExit, m.exit)
}

// attach connects a command with the present life of the container.
func (m *monitor) attach(w *wire, a Attach) {
	l, err := m.present()
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	client := &attached{wire: w, Attach: a, guest: true}
	w.sendJSON(frameReply, Reply{ID: m.ID})
	l.io.attach(client)
	m.follow(l, client)
	select {
	case <-l.told: // perhaps before this one was attached
		client.sendExit(l.exit)
	default:
	}
}

// kill sends a signal that a person or a unit asked for. One that is meant to end the
// container keeps it from being started again.
func (m *monitor) kill(s syscall.Signal, byUnit bool) error {
	deadly := s == unix.SIGKILL || s == syscall.Signal(m.facts.StopSignal)
	l, err := m.present()
	if deadly {
		m.wishedBy(byUnit)
		l, err = m.unwanted(true), nil
	}
	if err == nil {
		err = m.signal(l, s)
	}
	if errors.Is(err, os.ErrProcessDone) {
		if err = ErrNotRunning; deadly {
			err = nil // between two lives, of which there is none to come now
		}
	}
	if s == unix.SIGKILL {
		<-m.over // as scripts that go on with `rm` expect
	}
	return err
}

func answer(id string, err error) Reply {
	if err != nil {
		return replyOf(err)
	}
	return Reply{ID: id}
}

// follow carries out what an attached command sends until it goes away.
func (m *monitor) follow(l *life, c *attached) {
	defer l.io.detach(c)
	go func() {
		<-l.told
		c.wire.conn.CloseRead()
	}()
	for {
		kind, payload, err := c.wire.receive()
		if err != nil {
			if c.Stdin && c.StdinOnce {
				l.io.closeStdin()
			}
			return
		}
		switch kind {
		case frameStdin:
			if c.Stdin {
				l.io.write(payload)
			}
		case frameStdinEnd:
			if c.Stdin && c.StdinOnce {
				l.io.closeStdin()
			}
		case frameResize:
			var size Size
			if json.Unmarshal(payload, &size) == nil {
				l.io.resizeTo(size)
			}
		}
	}
}

// sendExit tells every attached command how the container ended.
func (s *stdio) sendExit(e Exit) {
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		c.sendExit(e)
	}
}
