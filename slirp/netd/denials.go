package netd

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// Bounds on what containers that try what they may not can make of it.
const (
	denialGroup      = 1  // of the kernel's packet log, in the bridges' namespace
	denialBytes      = 64 // of each packet: its headers
	denialsPerSecond = 20 // of each container; the rest is denied without a word
	denialPause      = 10 * time.Second
	maxDenials       = 1024
)

// The kernel's packet log, from linux/netfilter/nfnetlink_log.h.
const (
	logPacket     = unix.NFNL_SUBSYS_ULOG << 8
	logConfig     = unix.NFNL_SUBSYS_ULOG<<8 | 1
	logPayload    = 9 // attribute of a packet
	configCommand = 1 // attributes of a configuration
	configMode    = 2
	configAtOnce  = 5
	commandBind   = 1
	copyPacket    = 2
	familyHeader  = 4 // bytes before the attributes
)

// watch tells of the packets that the policies reject. The log is that of the
// namespace in which it was asked for.
func (e *egress) watch() error {
	var conn *netlink.Conn
	err := e.ns.do(func() (err error) {
		conn, err = netlink.Dial(unix.NETLINK_NETFILTER, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("opening the packet log: %w", err)
	}
	if _, err := conn.Execute(bindLog()); err != nil {
		conn.Close()
		return fmt.Errorf("asking for the packet log: %w", err)
	}
	go e.read(conn)
	return nil
}

// bindLog asks for the headers of every packet, each at once.
func bindLog() netlink.Message {
	mode := append(binaryutil.BigEndian.PutUint32(denialBytes), copyPacket, 0)
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: configCommand, Data: []byte{commandBind}},
		{Type: configMode, Data: mode},
		{Type: configAtOnce, Data: binaryutil.BigEndian.PutUint32(1)},
	})
	if err != nil {
		panic(err) // they are always the same
	}
	header := []byte{unix.AF_UNSPEC, 0, 0, denialGroup}
	return netlink.Message{
		Header: netlink.Header{Type: logConfig, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append(header, attributes...),
	}
}

// read lives as long as the network process. A burst that the socket could not
// hold is an error to it, and the next packet none.
func (e *egress) read(conn *netlink.Conn) {
	for {
		messages, err := conn.Receive()
		if err != nil {
			time.Sleep(faultPause)
			continue
		}
		for _, m := range messages {
			if m.Header.Type == logPacket {
				e.report(m.Data)
			}
		}
	}
}

func (e *egress) report(message []byte) {
	if len(message) < familyHeader {
		return
	}
	attributes, err := netlink.NewAttributeDecoder(message[familyHeader:])
	if err != nil {
		return
	}
	for attributes.Next() {
		if attributes.Type() != logPayload {
			continue
		}
		source, destination, ok := packetEnds(attributes.Bytes())
		if !ok {
			return
		}
		e.mu.Lock()
		p := e.policies[source]
		e.mu.Unlock()
		if p != nil {
			e.denied(slirp.Denial{ID: p.id, Name: p.name, Destination: destination})
		}
	}
}

// packetEnds reads the headers of an IPv4 packet: where it comes from, and
// where it was to go as "192.0.2.7:443/tcp".
func packetEnds(packet []byte) (source netip.Addr, destination string, ok bool) {
	const shortest = 20
	if len(packet) < shortest || packet[0]>>4 != 4 {
		return source, "", false
	}
	source, to := netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
	protocol := fmt.Sprint(packet[9])
	switch packet[9] {
	case unix.IPPROTO_TCP:
		protocol = "tcp"
	case unix.IPPROTO_UDP:
		protocol = "udp"
	case unix.IPPROTO_ICMP:
		return source, to.String() + "/icmp", true
	default:
		return source, to.String() + "/" + protocol, true
	}
	header := int(packet[0]&15) * 4
	if header < shortest || len(packet) < header+4 {
		return source, to.String() + "/" + protocol, true
	}
	port := binary.BigEndian.Uint16(packet[header+2:])
	return source, netip.AddrPortFrom(to, port).String() + "/" + protocol, true
}

// onceInAWhile passes on a denial that is not the repetition of one before.
func onceInAWhile(tell func(slirp.Denial)) func(slirp.Denial) {
	var mu sync.Mutex
	last := map[slirp.Denial]time.Time{}
	return func(d slirp.Denial) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Sub(last[d]) < denialPause {
			return
		}
		if len(last) >= maxDenials {
			clear(last)
		}
		last[d] = now
		tell(d)
	}
}
