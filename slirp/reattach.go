package slirp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// startTimeout bounds the start of a network process, which may wait 20 seconds
// for a busy systemd, finding one after the old one died, and each reattachment.
const startTimeout = 30 * time.Second

// watch follows the connection, and the ones after it, until Close. When a
// network process dies, all monitors notice at the same moment; one of them
// starts the next one (dialOrStart holds a lock for that) and all reattach.
func (c *Client) watch(conn *connection) {
	defer close(c.done)
	for conn != nil {
		conn.read()
		next := c.reconnect()
		close(conn.replaced)
		conn = next
	}
}

// reconnect returns the next connection; nil once the client is closed.
func (c *Client) reconnect() *connection {
	for wait := 50 * time.Millisecond; c.ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		ctx, cancel := context.WithTimeout(c.ctx, startTimeout)
		conn, err := dialOrStart(ctx, c.opts)
		cancel()
		if err == nil {
			return c.adopt(conn)
		}
		c.pause(wait)
	}
	return nil
}

func (c *Client) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// adopt makes conn the client's connection, or returns nil. Reattaching runs beside the
// reading, which the caller goes on with.
func (c *Client) adopt(conn *connection) *connection {
	c.mu.Lock()
	if c.ctx.Err() != nil { // Close has already closed the connection before
		conn.socket.Close()
		c.mu.Unlock()
		return nil
	}
	c.conn = conn
	go func() {
		defer c.mu.Unlock()
		c.reattach()
	}()
	return conn
}

// reattach restores what was attached. The lock is held, so that no new
// request comes before it.
func (c *Client) reattach() {
	for p, a := range c.attached {
		ctx, cancel := context.WithTimeout(c.ctx, startTimeout)
		previous := a.result
		err := c.attach(ctx, a, &previous)
		cancel()
		if c.ctx.Err() != nil || errors.Is(err, errLost) {
			return // or begin again with the next process
		}
		if err != nil {
			c.opts.Warn(fmt.Sprintf("the network of container %.12s could not be restored: %v", p.container, err))
			continue
		}
		for _, line := range a.result.Warnings {
			c.opts.Warn(fmt.Sprintf("container %.12s: %s", p.container, line))
		}
	}
}
