package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// traffic is the other program in this one, which is brought into containers:
// it makes connections and says how fast they were, or answers them.
//
//	bench traffic serve ADDRESS
//	bench traffic send|latency|connect ADDRESS STREAMS SECONDS
//
// send prints bits per second, latency the nanoseconds of each exchange of one
// byte within which half and 99 % of them were, connect connections per second.
func traffic(args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "serve" {
		l, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		return serve(l)
	}
	if len(args) != 4 {
		return errors.New("usage: bench traffic serve ADDRESS | send|latency|connect ADDRESS STREAMS SECONDS")
	}
	streams, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(args[3], 64)
	if err != nil {
		return err
	}
	values, err := generate(args[0], args[1], streams, time.Duration(seconds*float64(time.Second)))
	for _, v := range values {
		fmt.Fprintln(out, v)
	}
	return err
}

func generate(kind, address string, streams int, d time.Duration) ([]float64, error) {
	switch kind {
	case "send":
		return send(address, streams, d)
	case "latency":
		return latency(address, d)
	case "connect":
		return connections(address, streams, d)
	}
	return nil, fmt.Errorf("no traffic of the kind %q", kind)
}

// What a client wants of a connection is its first byte.
const (
	wantSink  = 's' // read all, then say how much it was
	wantEcho  = 'e' // send every byte back
	chunkSize = 256 << 10
)

// serve answers connections until the listener is closed.
func serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err == nil {
			go answer(conn)
		}
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	var want [1]byte
	if _, err := io.ReadFull(conn, want[:]); err != nil {
		return
	}
	if want[0] == wantEcho {
		io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, 512))
		return
	}
	n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, chunkSize))
	fmt.Fprintln(conn, n)
}

// dial waits for a server that is just starting.
func dial(address string, want byte) (conn *net.TCPConn, err error) {
	for end := time.Now().Add(10 * time.Second); ; {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_, err = c.Write([]byte{want})
			return c.(*net.TCPConn), err
		}
		if time.Now().After(end) {
			return nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// send counts what arrived, from the first byte to the server's word about the
// last.
func send(address string, streams int, d time.Duration) ([]float64, error) {
	var conns []*net.TCPConn
	for range streams {
		c, err := dial(address, wantSink)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		conns = append(conns, c)
	}
	var group sync.WaitGroup
	arrived, errs := make([]int64, streams), make([]error, streams)
	begin := time.Now()
	for i, c := range conns {
		group.Go(func() { arrived[i], errs[i] = sendFor(c, d) })
	}
	group.Wait()
	took := time.Since(begin)
	var sum int64
	for _, n := range arrived {
		sum += n
	}
	return []float64{float64(sum) * 8 / took.Seconds()}, errors.Join(errs...)
}

func sendFor(c *net.TCPConn, d time.Duration) (n int64, err error) {
	chunk := make([]byte, chunkSize)
	for end := time.Now().Add(d); time.Now().Before(end); {
		if _, err := c.Write(chunk); err != nil {
			return 0, err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return 0, err
	}
	_, err = fmt.Fscan(c, &n)
	return n, err
}

func latency(address string, d time.Duration) ([]float64, error) {
	c, err := dial(address, wantEcho)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []time.Duration
	b := []byte{0}
	for end := time.Now().Add(d); time.Now().Before(end); {
		begin := time.Now()
		if _, err := c.Write(b); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, err
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return []float64{float64(all[len(all)/2]), float64(all[len(all)*99/100])}, nil
}

// connections makes one after the other in each stream, each with an exchange
// of one byte, so that the container has really accepted it.
func connections(address string, streams int, d time.Duration) ([]float64, error) {
	first, err := dial(address, wantEcho)
	if err != nil {
		return nil, err
	}
	first.Close()
	var group sync.WaitGroup
	counts, errs := make([]int, streams), make([]error, streams)
	begin := time.Now()
	for i := range streams {
		group.Go(func() {
			for time.Since(begin) < d && errs[i] == nil {
				errs[i] = exchange(address)
				counts[i]++
			}
		})
	}
	group.Wait()
	took, sum := time.Since(begin), 0
	for _, n := range counts {
		sum += n
	}
	return []float64{float64(sum) / took.Seconds()}, errors.Join(errs...)
}

func exchange(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	// The port is free again at once: otherwise they run out within seconds.
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	b := []byte{wantEcho, 1}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b[:1])
	return err
}
