package netd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/rl-project/rl/internal/footprint"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/internal/wire"
)

// server accepts monitors and keeps count of them.
type server struct {
	opts   Options
	log    *log.Logger
	socket *socket

	mu       sync.Mutex
	router   *router // nil until the first attachment
	clients  int
	stopping bool
	idle     *time.Timer // runs while there is no client

	idler *footprint.Idler
}

// faultPause keeps a fault of the machine, such as too many open files, from
// turning an accept loop into a busy one.
const faultPause = 100 * time.Millisecond

// settled is when an attachment and what it started are over.
const settled = time.Second

func newServer(opts Options, socket *socket) *server {
	s := &server{opts: opts, log: newLogger(opts.Log), socket: socket, idler: footprint.NewIdler(settled)}
	s.idle = time.AfterFunc(opts.Linger, s.stopIfIdle)
	return s
}

// run accepts clients until stop.
func (s *server) run() error {
	for {
		conn, err := s.socket.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return s.shutdown()
		}
		if err != nil {
			s.log.Printf("accepting a monitor: %v", err)
			time.Sleep(faultPause)
			continue
		}
		go s.serve(conn)
	}
}

// shutdown ends the uplink and waits for it. Whoever starts the next network
// process waits for our lock, so no two uplinks ever meet.
func (s *server) shutdown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.router != nil {
		return s.router.close()
	}
	return nil
}

// stop makes run return. Monitors that are connected see their connection end
// and start another process.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
}

func (s *server) stopIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == 0 {
		s.close()
	}
}

func (s *server) close() {
	if s.stopping {
		return
	}
	s.stopping = true
	s.socket.remove()
}

// enter counts a client; false when it came too late.
func (s *server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.clients++
	s.idle.Stop()
	return true
}

func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients--
	if s.clients == 0 {
		s.idle.Reset(s.opts.Linger)
	}
}

// serve answers one monitor until it goes.
func (s *server) serve(conn *net.UnixConn) {
	defer conn.Close()
	if !s.enter() {
		return
	}
	defer s.leave()
	c := &client{server: s, conn: conn, attached: map[place]*attached{}}
	defer c.detachAll()
	if err := slirp.Greet(conn); err != nil {
		return
	}
	for c.answer() {
	}
}

// routerFor returns the user's router, made on first use: around the bridge
// that the monitor holds, if it does, or another.
func (s *server) routerFor(bridge *os.File) (*router, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.router != nil {
		return s.router, nil
	}
	if bridge == nil && s.socket.crashed {
		survivor, err := survivor(s.opts.RuntimeDir)
		if err != nil {
			return nil, fmt.Errorf("finding the bridges of the network process before: %w", err)
		}
		if survivor != nil {
			defer survivor.Close()
			bridge = survivor
		}
	}
	var err error
	s.router, err = newRouter(s.opts, s.log, s.idler.Touch, bridge)
	return s.router, err
}

func (s *server) status() *slirp.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := &slirp.Status{PID: os.Getpid(), Goroutines: runtime.NumGoroutine()}
	if s.router != nil {
		s.router.describe(status)
	}
	return status
}

// client is one monitor.
type client struct {
	server   *server
	conn     *net.UnixConn
	attached map[place]*attached
}

// answer reads one request and replies; false ends the conversation.
func (c *client) answer() bool {
	var request slirp.Request
	files, err := wire.Receive(c.conn, &request)
	defer closeAll(files)
	c.server.idler.Touch()
	if err != nil {
		return false
	}
	reply, bridge := c.handle(&request, files)
	if bridge != nil {
		return wire.Send(c.conn, reply, bridge) == nil
	}
	return wire.Send(c.conn, reply) == nil
}

func (c *client) handle(request *slirp.Request, files []*os.File) (reply slirp.Reply, bridge *os.File) {
	var err error
	switch request.Op {
	case slirp.OpAttach:
		reply.Attachment, bridge, err = c.attach(request, files)
	case slirp.OpDetach:
		err = c.detach(placeOf(request.Endpoint), request.Ended)
	case slirp.OpPublish:
		reply.Attachment, err = c.publish(request.Endpoint)
	case slirp.OpRename:
		err = c.rename(request.Endpoint)
	case slirp.OpStatus:
		reply.Status = c.server.status()
	default:
		err = fmt.Errorf("unknown request %q", request.Op)
	}
	if err != nil {
		reply.Error, reply.Code = err.Error(), slirp.Code(err)
	}
	return reply, bridge
}

// place is a container on a network; "" is the default one.
type place struct{ container, network string }

func placeOf(e slirp.Endpoint) place { return place{e.ID, e.NetworkID()} }

func (c *client) attach(request *slirp.Request, files []*os.File) (*slirp.Attachment, *os.File, error) {
	if len(files) == 0 {
		return nil, nil, errors.New("attach without a network namespace")
	}
	var known *os.File
	if len(files) > 1 {
		known = files[1]
	}
	router, err := c.server.routerFor(known)
	if err != nil {
		return nil, nil, err
	}
	if request.Again {
		if err := router.removeInterface(files[0], cmp.Or(request.Endpoint.Interface, slirp.DefaultInterface)); err != nil {
			return nil, nil, err
		}
	}
	a, err := router.attach(context.Background(), files[0], request.Endpoint, request.Restore)
	if err != nil {
		return nil, nil, err
	}
	c.attached[placeOf(request.Endpoint)] = a
	return &a.result, router.ns.file, nil
}

func (c *client) detach(p place, ended bool) error {
	a := c.attached[p]
	if a == nil {
		return fmt.Errorf("%w: %.12s", slirp.ErrNotAttached, p.container)
	}
	delete(c.attached, p)
	a.release(ended)
	return nil
}

func (c *client) publish(e slirp.Endpoint) (*slirp.Attachment, error) {
	a := c.attached[placeOf(e)]
	if a == nil {
		return nil, fmt.Errorf("%w: %.12s", slirp.ErrNotAttached, e.ID)
	}
	a.endpoint.Ports, a.result.Warnings = e.Ports, nil
	return &a.result, a.publish(true)
}

// rename only concerns containers that this monitor has attached.
func (c *client) rename(e slirp.Endpoint) error {
	for p, a := range c.attached {
		if p.container == e.ID {
			a.router.rename(e.ID, e.Name)
			return nil
		}
	}
	return nil
}

func (c *client) detachAll() {
	for p := range c.attached {
		c.detach(p, true)
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
