package gvisor

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// The stack itself would answer every echo request, whether its destination is
// there or not. So they are passed on to the host instead, over the sockets
// that the kernel lets some groups have for it (net.ipv4.ping_group_range).
const (
	maxEchoes   = 64 // under way at once; others get lost, as in any network
	echoTimeout = 5 * time.Second
)

// pinger passes echo requests on.
type pinger struct {
	tap     io.Writer // where answers go
	gateway netip.Addr
	slots   chan struct{}
}

func newPinger(tap io.Writer, gateway netip.Addr) *pinger {
	return &pinger{tap: tap, gateway: gateway, slots: make(chan struct{}, maxEchoes)}
}

// Offsets in a frame with an IPv4 packet.
const (
	offsetKind        = 12
	offsetIP          = 14
	offsetFragment    = offsetIP + 6
	offsetTTL         = offsetIP + 8
	offsetProtocol    = offsetIP + 9
	offsetIPSum       = offsetIP + 10
	offsetSource      = offsetIP + 12
	offsetDestination = offsetIP + 16
	shortest          = offsetIP + 20 + 8
)

const (
	kindIPv4      = 0x0800
	protocolICMP  = 1
	fragmentFlags = 0x3fff // more fragments, or not the first
)

// take takes a frame that is an echo request to beyond the gateway.
func (p *pinger) take(frame []byte) bool {
	if len(frame) < shortest || binary.BigEndian.Uint16(frame[offsetKind:]) != kindIPv4 || frame[offsetProtocol] != protocolICMP {
		return false
	}
	size, total := headerSize(frame), int(binary.BigEndian.Uint16(frame[offsetIP+2:]))
	if size < 20 || total < size+8 || offsetIP+total > len(frame) || binary.BigEndian.Uint16(frame[offsetFragment:])&fragmentFlags != 0 {
		return false
	}
	to := netip.AddrFrom4([4]byte(frame[offsetDestination:]))
	if frame[offsetIP+size] != byte(ipv4.ICMPTypeEcho) || to == p.gateway {
		return false
	}
	select {
	case p.slots <- struct{}{}:
		own := append([]byte(nil), frame[:offsetIP+total]...)
		go func() {
			defer func() { <-p.slots }()
			if ask(to, own[offsetIP+size:]) == nil {
				answer(own)
				p.tap.Write(own)
			}
		}()
	default:
	}
	return true
}

// headerSize is that of the IP header, in bytes.
func headerSize(frame []byte) int { return int(frame[offsetIP]&0xf) * 4 }

// ask sends the request, whose identity the kernel changes, and returns nil
// when it is answered.
func ask(to netip.Addr, request []byte) error {
	conn, err := icmp.ListenPacket("udp4", "")
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(echoTimeout))
	if _, err := conn.WriteTo(request, &net.UDPAddr{IP: to.AsSlice()}); err != nil {
		return err
	}
	b := make([]byte, len(request)+1)
	for {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(protocolICMP, b[:n])
		if err == nil && m.Type == ipv4.ICMPTypeEchoReply {
			return nil
		}
	}
}

// answer makes an echo request its answer.
func answer(frame []byte) {
	swap(frame[0:6], frame[6:12])
	swap(frame[offsetSource:offsetSource+4], frame[offsetDestination:offsetDestination+4])
	frame[offsetTTL] = 64
	size := headerSize(frame)
	header, message := frame[offsetIP:offsetIP+size], frame[offsetIP+size:]
	message[0] = byte(ipv4.ICMPTypeEchoReply)
	seal(header, offsetIPSum-offsetIP)
	seal(message, 2)
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

// seal writes the checksum of b into b.
func seal(b []byte, at int) {
	binary.BigEndian.PutUint16(b[at:], 0)
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[at:], ^uint16(sum))
}
