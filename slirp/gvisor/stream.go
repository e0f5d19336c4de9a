package gvisor

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// chunk is as much as is passed on at once: the more, the fewer packets and
// system calls it takes.
const chunk = 256 << 10

// chunks are lent while there is something to pass on, so that a connection
// that waits holds none.
var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// stream is one connection of a container, joined with one to the world.
type stream struct {
	inside  *gonet.TCPConn
	end     tcpip.Endpoint // of inside
	events  *waiter.Queue  // of end
	outside *net.TCPConn
}

// connectOut makes a connection for a container. The container's stands only
// when the other does: a refusal is one to the container too.
func connectOut(r *tcp.ForwarderRequest) {
	id := r.ID()
	to, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	outside, err := net.Dial("tcp", netip.AddrPortFrom(to, id.LocalPort).String())
	if err != nil {
		r.Complete(true)
		return
	}
	defer outside.Close()
	events := new(waiter.Queue)
	end, failed := r.CreateEndpoint(events)
	r.Complete(false)
	if failed != nil {
		return
	}
	s := &stream{inside: gonet.NewTCPConn(events, end), end: end, events: events, outside: outside.(*net.TCPConn)}
	s.pass()
}

// pass joins the two until both have said all or one has failed, which the
// other is told.
func (s *stream) pass() {
	defer s.inside.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		if !s.receive() {
			s.abort()
		}
	}()
	if !s.send() {
		s.abort()
	}
	<-back
}

func (s *stream) abort() {
	s.end.Abort()
	s.outside.SetLinger(0)
	s.outside.Close()
}

// send passes on what the container says, to its end; false if that failed.
func (s *stream) send() bool {
	readable, event := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	s.events.EventRegister(&readable)
	defer s.events.EventUnregister(&readable)
	for {
		switch s.sendChunk().(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-event
		case *tcpip.ErrClosedForReceive:
			return s.outside.CloseWrite() == nil
		default:
			return false
		}
	}
}

func (s *stream) sendChunk() tcpip.Error {
	b := chunks.Get().(*[chunk]byte)
	defer chunks.Put(b)
	free := tcpip.SliceWriter(b[:])
	result, failed := s.end.Read(&free, tcpip.ReadOptions{})
	if failed != nil {
		return failed
	}
	s.end.ModerateRecvBuf(result.Count)
	if _, err := s.outside.Write(b[:result.Count]); err != nil {
		return &tcpip.ErrConnectionReset{}
	}
	return nil
}

// receive passes on what the world says, to its end; false if that failed.
func (s *stream) receive() bool {
	raw, err := s.outside.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Read(func(fd uintptr) (done bool) {
		done, failed = s.receiveChunks(int(fd))
		return done
	})
	return err == nil && failed == nil && s.inside.CloseWrite() == nil
}

// receiveChunks passes on what is there; done says that no more will come.
func (s *stream) receiveChunks(fd int) (done bool, err error) {
	b := chunks.Get().(*[chunk]byte)
	defer chunks.Put(b)
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false, nil
		case err != nil || n == 0:
			return true, err
		default:
			if _, err := s.inside.Write(b[:n]); err != nil {
				return true, err
			}
		}
	}
}
