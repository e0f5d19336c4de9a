package slirp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rl-project/rl/slirp/internal/wire"
)

// Options say how to find the network process and how to start it.
type Options struct {
	// RuntimeDir is where its socket and locks lie; private to the user.
	RuntimeDir string
	// Uplink, when given, is the one to have: its containers have a network
	// process of their own, below RuntimeDir, and are on a bridge of their own.
	Uplink string
	// Command starts the network process: a program and its arguments, the
	// program as a path. Empty means this very program with "netd" and the
	// uplink. It gets null for stdin and stdout, Log for stderr, and as
	// descriptor 3 a pipe to close when it listens.
	Command []string
	// Log receives the network process's complaints; nil discards them.
	Log *os.File
	// Warn is told, as a complete line, when something was lost while
	// reattaching to a new network process. It may be nil.
	Warn func(string)
}

// Client is a monitor's connection to its user's network process. Its methods
// may be called from several goroutines.
//
// The caller must be in the user namespace of rl (so that the network process
// it may start is there too) and in the host's network namespace.
type Client struct {
	opts Options

	closing sync.Once
	ctx     context.Context // done when Close is called
	cancel  context.CancelFunc
	done    chan struct{} // closed when the watching goroutine has ended

	mu       sync.Mutex // one exchange at a time, and the fields below
	conn     *connection
	attached map[place]*attachment
	bridge   *os.File // keeps the bridges' namespace alive
}

// place is a container on a network; "" is the default one.
type place struct{ container, network string }

func (a *attachment) place() place { return place{a.endpoint.ID, a.endpoint.NetworkID()} }

// attachment is what is needed to attach again to another network process.
type attachment struct {
	endpoint Endpoint
	netns    *os.File
	result   Attachment
	asked    bool // a network process may have begun to attach it
}

// Connect finds the user's network process or starts it. ctx bounds only the
// connecting.
func Connect(ctx context.Context, opts Options) (*Client, error) {
	if opts.Uplink != "" {
		opts.RuntimeDir = filepath.Join(opts.RuntimeDir, opts.Uplink)
		if err := os.MkdirAll(opts.RuntimeDir, 0o700); err != nil {
			return nil, err
		}
	}
	if opts.Warn == nil {
		opts.Warn = func(string) {}
	}
	conn, err := dialOrStart(ctx, opts)
	for tries := 1; errors.Is(err, errEnded) && tries < startTries; tries++ {
		conn, err = dialOrStart(ctx, opts)
	}
	if err != nil {
		return nil, err
	}
	c := &Client{opts: opts, conn: conn, done: make(chan struct{}), attached: map[place]*attachment{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.watch(conn)
	return c, nil
}

// errLost is a network process that died, or a connection given up.
var errLost = errors.New("the network process was lost")

const (
	// startTries is how often a network process is started that is killed before
	// it listens.
	startTries = 3
	// attachTimeout bounds an attachment with all that it starts, and the
	// network processes that may be killed meanwhile. It takes milliseconds; each
	// uplink that does not work takes some seconds.
	attachTimeout = 45 * time.Second
)

// Attach connects the network namespace netns, which must be owned by rl's
// user namespace, to a network. It returns when the container can
// send, and when every port in endpoint is listened on; a port that cannot be
// had is an error and leaves nothing behind. netns stays the caller's.
func (c *Client) Attach(ctx context.Context, netns *os.File, endpoint Endpoint) (*Attachment, error) {
	kept, err := duplicate(netns)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	a := &attachment{endpoint: endpoint, netns: kept}
	for {
		next, err := c.tryAttach(ctx, a)
		if err == nil {
			result := a.result
			return &result, nil
		}
		if !errors.Is(err, errLost) || !wait(ctx, next) {
			kept.Close()
			return nil, err
		}
	}
}

// tryAttach attaches a over the present connection. next is closed when
// another connection has taken its place.
func (c *Client) tryAttach(ctx context.Context, a *attachment) (next <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.attach(ctx, a, nil); err != nil {
		return c.conn.replaced, err
	}
	c.attached[a.place()] = a
	return nil, nil
}

// wait reports whether event came before ctx ended.
func wait(ctx context.Context, event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	case <-ctx.Done():
		return false
	}
}

// attach asks the current network process to attach a. The lock is held.
func (c *Client) attach(ctx context.Context, a *attachment, restore *Attachment) error {
	files := []*os.File{a.netns}
	if c.bridge != nil {
		files = append(files, c.bridge)
	}
	request := Request{Op: OpAttach, Endpoint: a.endpoint, Restore: restore, Again: a.asked && restore == nil}
	a.asked = true
	reply, received, err := c.exchange(ctx, request, files...)
	if err != nil {
		closeAll(received)
		return err
	}
	if reply.Attachment == nil || len(received) != 1 {
		closeAll(received)
		return errors.New("the network process answered without an attachment")
	}
	if a.endpoint.restricted() && !reply.Attachment.Restricted {
		closeAll(received)
		// One that knows no policies takes the container for one without.
		_, more, err := c.exchange(ctx, Request{Op: OpDetach, Endpoint: a.endpoint})
		closeAll(more)
		return errors.Join(ErrUnrestricted, err)
	}
	if c.bridge != nil {
		c.bridge.Close()
	}
	c.bridge, a.result = received[0], *reply.Attachment
	return nil
}

// Detach takes a container that goes on off a network; "" is the default one. It
// returns when its interface is gone and its address and ports can be taken by
// another.
func (c *Client) Detach(ctx context.Context, id, network string) error {
	return c.detach(ctx, place{id, network}, false)
}

func (c *Client) detach(ctx context.Context, p place, ended bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.attached[p]
	if a == nil {
		return fmt.Errorf("%w: %.12s", ErrNotAttached, p.container)
	}
	delete(c.attached, p)
	a.netns.Close()
	_, received, err := c.exchange(ctx, Request{Op: OpDetach, Endpoint: Endpoint{ID: p.container, Network: a.endpoint.Network}, Ended: ended})
	closeAll(received)
	return err
}

// Publish publishes ports of a container on a network that it is on; "" is the
// default one. Ports that cannot be had are among the warnings of what it has
// then.
func (c *Client) Publish(ctx context.Context, id, network string, ports []PortMapping) (*Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.attached[place{id, network}]
	if a == nil {
		return nil, fmt.Errorf("%w: %.12s", ErrNotAttached, id)
	}
	e := Endpoint{ID: id, Network: a.endpoint.Network, Ports: ports}
	reply, received, err := c.exchange(ctx, Request{Op: OpPublish, Endpoint: e})
	closeAll(received)
	if err != nil {
		return nil, err
	}
	if reply.Attachment == nil {
		return nil, errors.New("the network process answered without an attachment")
	}
	a.result = *reply.Attachment
	return reply.Attachment, nil
}

// Rename gives a container another name on all of its networks.
func (c *Client) Rename(ctx context.Context, id, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, a := range c.attached {
		if p.container == id {
			a.endpoint.Name = name
		}
	}
	_, received, err := c.exchange(ctx, Request{Op: OpRename, Endpoint: Endpoint{ID: id, Name: name}})
	closeAll(received)
	return err
}

// Status asks the network process how it is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply, received, err := c.exchange(ctx, Request{Op: OpStatus})
	closeAll(received)
	if err != nil {
		return nil, err
	}
	if reply.Status == nil {
		return nil, errors.New("the network process answered without a status")
	}
	return reply.Status, nil
}

// exchange sends one request and waits for its reply; the lock is held. A
// connection that broke in between is left to the watching goroutine.
func (c *Client) exchange(ctx context.Context, request Request, files ...*os.File) (*Reply, []*os.File, error) {
	if c.ctx.Err() != nil {
		return nil, nil, ErrClosed
	}
	if err := wire.Send(c.conn.socket, request, files...); err != nil {
		c.conn.socket.Close()
		return nil, nil, fmt.Errorf("%w while it was asked to %s: %w", errLost, request.Op, err)
	}
	select {
	case answer, ok := <-c.conn.replies:
		if !ok {
			return nil, nil, fmt.Errorf("%w while it was asked to %s", errLost, request.Op)
		}
		return &answer.Reply, answer.files, answer.Err()
	case <-ctx.Done():
		// The reply would be taken for that of the next request.
		c.conn.socket.Close()
		return nil, nil, fmt.Errorf("asking the network process: %w", ctx.Err())
	}
}

// closeTimeout bounds the farewell to a network process that does not answer.
const closeTimeout = time.Second

// Close detaches everything and ends the client. It returns when the ports can
// be taken by another. The network process ends by itself some seconds after
// its last client.
func (c *Client) Close() error {
	c.closing.Do(func() {
		// A reattachment that is under way would keep the lock for longer.
		giveUp := time.AfterFunc(closeTimeout, c.cancel)
		c.detachAll()
		giveUp.Stop()
		c.cancel()
		c.mu.Lock()
		c.conn.socket.Close()
		c.mu.Unlock()
		<-c.done
		if c.bridge != nil {
			c.bridge.Close()
		}
	})
	return nil
}

// detachAll leaves what cannot be detached to the end of the connection.
func (c *Client) detachAll() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	c.mu.Lock()
	places := slices.Collect(maps.Keys(c.attached))
	c.mu.Unlock()
	for _, p := range places {
		_ = c.detach(ctx, p, true)
	}
}

// connection is one socket to one network process, with its reading end
// drained by a goroutine so that the process's end is noticed at once.
type connection struct {
	socket  *net.UnixConn
	replies chan answer // closed at the end of the connection
	// replaced is closed when another connection, or none any more, has taken
	// this one's place.
	replaced chan struct{}
}

type answer struct {
	Reply
	files []*os.File
}

func newConnection(socket *net.UnixConn) *connection {
	return &connection{socket: socket, replies: make(chan answer, 1), replaced: make(chan struct{})}
}

// read passes replies on until the connection ends.
func (c *connection) read() {
	defer close(c.replies)
	defer c.socket.Close()
	for {
		var a answer
		var err error
		if a.files, err = wire.Receive(c.socket, &a.Reply); err != nil {
			closeAll(a.files)
			return
		}
		c.replies <- a
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
