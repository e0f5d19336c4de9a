package netd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds on what containers can make the name server do.
const (
	maxQueries          = 256 // at once, of all containers
	maxQueriesPerClient = 64  // at once, of one address: one flood does not starve the others
	maxPacket           = 4096
	queryTimeout        = 2 * time.Second // of one name server of the host's
	tcpIdle             = 5 * time.Second
	datagramWait        = time.Hour // a shorter one would only wake the process
	maxTCPClients       = 64
	maxTCPQueries       = 32 // on one connection
)

// nameServer answers about containers and forwards their other queries to the
// host's resolvers. It listens on the bridge's address; the forwarded queries leave from the host's
// network namespace, so resolvers on the host's loopback addresses work.
type nameServer struct {
	resolvers *resolvers
	bridge    *bridge // whose containers ask
	servers   []*dns.Server
	touch     func() // called for every query

	mu        sync.Mutex
	running   int
	perClient map[netip.Addr]int
}

func newNameServer(ns *namespace, ip netip.Addr, resolvers *resolvers, touch func(), b *bridge) (*nameServer, error) {
	s := &nameServer{bridge: b, resolvers: resolvers, touch: touch, perClient: map[netip.Addr]int{}}
	address := netip.AddrPortFrom(ip, 53).String()
	err := ns.do(func() error {
		packets, err := net.ListenPacket("udp4", address)
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp4", address)
		if err != nil {
			packets.Close()
			return err
		}
		s.servers = []*dns.Server{{PacketConn: packets}, {Listener: newLimitedListener(listener, maxTCPClients)}}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("name server for containers: %w", err)
	}
	for _, server := range s.servers {
		server.Handler, server.UDPSize = s, maxPacket
		server.ReadTimeout, server.WriteTimeout = tcpIdle, tcpIdle
		if server.PacketConn != nil {
			server.ReadTimeout = datagramWait
		}
		server.IdleTimeout = func() time.Duration { return tcpIdle }
		server.MaxTCPQueries = maxTCPQueries
		go server.ActivateAndServe()
	}
	return s, nil
}

func (s *nameServer) close() {
	for _, server := range s.servers {
		if server.PacketConn != nil {
			server.PacketConn.Close()
		} else {
			server.Listener.Close()
		}
	}
}

// ServeDNS answers one query. Queries beyond the bounds get no answer: the
// asker's resolver tries again, and one that floods deserves nothing.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	s.touch()
	client := clientOf(w)
	if !s.enter(client) {
		return
	}
	defer s.leave(client)
	answer, err := s.answer(query, client, w.LocalAddr().Network())
	if err != nil {
		answer = new(dns.Msg).SetRcode(query, dns.RcodeServerFailure)
	}
	answer.Compress = true
	if _, datagram := w.RemoteAddr().(*net.UDPAddr); datagram {
		answer.Truncate(datagramSize(query))
	}
	w.WriteMsg(answer)
}

// datagramSize is the longest answer that the asker takes in one datagram.
func datagramSize(query *dns.Msg) int {
	if opt := query.IsEdns0(); opt != nil {
		return min(max(int(opt.UDPSize()), dns.MinMsgSize), maxPacket)
	}
	return dns.MinMsgSize
}

func clientOf(w dns.ResponseWriter) netip.Addr {
	address, _ := netip.ParseAddrPort(w.RemoteAddr().String())
	return address.Addr().Unmap()
}

func (s *nameServer) enter(client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running >= maxQueries || s.perClient[client] >= maxQueriesPerClient {
		return false
	}
	s.running++
	s.perClient[client]++
	return true
}

func (s *nameServer) leave(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.perClient[client]--; s.perClient[client] == 0 {
		delete(s.perClient, client)
	}
}

// answer prefers the names of the containers that the asker can reach.
func (s *nameServer) answer(query *dns.Msg, client netip.Addr, network string) (*dns.Msg, error) {
	o := s.bridge.outlookOf(client)
	own := o.answer(query)
	if own == nil && s.bridge.router.restoring.wait() {
		o = s.bridge.outlookOf(client)
		own = o.answer(query)
	}
	if own != nil {
		return own, nil
	}
	if !o.out {
		return new(dns.Msg).SetRcode(query, dns.RcodeNameError), nil
	}
	egress := s.bridge.router.egress
	if !egress.permits(client, query) {
		return new(dns.Msg).SetRcode(query, dns.RcodeRefused), nil
	}
	answer, err := s.ask(query, network, o.resolvers)
	if err == nil {
		err = egress.learn(client, query, answer)
	}
	return answer, err
}

// ask asks the container's own resolvers, from its network, or the host's.
func (s *nameServer) ask(query *dns.Msg, network string, own []netip.Addr) (*dns.Msg, error) {
	if len(own) > 0 {
		return exchange(query, network, own, s.bridge.router.ns.connect)
	}
	return s.forward(query, network)
}

var errNoResolver = errors.New("no name server answers")

// forward asks the host's name servers, from the host's namespace.
func (s *nameServer) forward(query *dns.Msg, network string) (*dns.Msg, error) {
	dial := func(network string, server netip.AddrPort) (net.Conn, error) {
		return net.DialTimeout(network, server.String(), queryTimeout)
	}
	return exchange(query, network, s.resolvers.addresses(), dial)
}

// exchange asks servers in their order, over the transport that the container
// used: an answer too long for a datagram comes back truncated, and the
// container asks again over TCP.
func exchange(query *dns.Msg, network string, servers []netip.Addr, dial func(string, netip.AddrPort) (net.Conn, error)) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: queryTimeout, UDPSize: maxPacket}
	for _, ip := range servers {
		conn, err := dial(network, netip.AddrPortFrom(ip, 53))
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
		answer, _, err := client.ExchangeWithConnContext(ctx, query, &dns.Conn{Conn: conn})
		cancel()
		conn.Close()
		if err == nil && answer.Rcode != dns.RcodeServerFailure && answer.Rcode != dns.RcodeRefused {
			return answer, nil
		}
	}
	return nil, errNoResolver
}
