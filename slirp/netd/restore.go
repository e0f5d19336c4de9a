package netd

import (
	"net/netip"
	"sync"
	"time"
)

// restoreTimeout is how long answers wait for monitors to come back: some may
// have ended with the network process.
const restoreTimeout = 2 * time.Second

// restoring knows which containers of a network process that was killed are
// still to be restored. A name that is not known before the last of them is
// back may be known in a moment, and "no such name" is an answer that programs
// believe.
type restoring struct {
	mu      sync.Mutex
	awaited map[netip.Addr]bool
	done    chan struct{} // closed when all are back or restoreTimeout has passed
}

func newRestoring(awaited []netip.Addr) *restoring {
	r := &restoring{awaited: map[netip.Addr]bool{}, done: make(chan struct{})}
	for _, ip := range awaited {
		r.awaited[ip] = true
	}
	if len(awaited) == 0 {
		close(r.done)
		return r
	}
	time.AfterFunc(restoreTimeout, r.end)
	return r
}

// note says that the container with an address is back.
func (r *restoring) note(ip netip.Addr) {
	r.mu.Lock()
	delete(r.awaited, ip)
	left := len(r.awaited)
	r.mu.Unlock()
	if left == 0 {
		r.end()
	}
}

func (r *restoring) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

// wait reports whether it had to wait.
func (r *restoring) wait() bool {
	select {
	case <-r.done:
		return false
	default:
	}
	<-r.done
	return true
}
