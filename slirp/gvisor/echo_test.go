package gvisor

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// request is a frame with an echo request to 192.0.2.1.
func request(t testing.TB) []byte {
	t.Helper()
	message, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 7, Seq: 9, Data: []byte("odd")}}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte("\x02to--\x00\x02from\x00\x08\x00"), 0x45, 0, 0, byte(20+len(message)), 0, 0, 0x40, 0, 9, protocolICMP, 0, 0)
	return append(append(frame, 169, 254, 88, 100, 192, 0, 2, 1), message...)
}

func TestAnswer(t *testing.T) {
	frame := request(t)
	answer(frame)
	if !bytes.HasPrefix(frame, []byte("\x02from\x00\x02to--\x00\x08\x00")) {
		t.Errorf("the frame goes to %q", frame[:14])
	}
	header, err := icmp.ParseIPv4Header(frame[offsetIP:])
	if err != nil || header.Src.String() != "192.0.2.1" || header.Dst.String() != "169.254.88.100" {
		t.Errorf("the header is %v, %v", header, err)
	}
	m, err := icmp.ParseMessage(protocolICMP, frame[offsetIP+20:])
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply || m.Body.(*icmp.Echo).Seq != 9 {
		t.Errorf("the message is %+v, %v", m, err)
	}
	for name, part := range map[string][]byte{"header": frame[offsetIP : offsetIP+20], "message": frame[offsetIP+20:]} {
		var sum uint32
		for i, b := range part {
			sum += uint32(b) << (8 * (1 - i%2))
		}
		if sum = sum>>16 + sum&0xffff; sum != 0xffff {
			t.Errorf("the %s's checksum is wrong: the sum is %x", name, sum)
		}
	}
}

func TestTake(t *testing.T) {
	p := newPinger(nil, netip.MustParseAddr("169.254.88.2"))
	p.slots = nil // so that nothing is sent
	if frame := request(t); !p.take(frame) || p.take(frame[:len(frame)-1]) {
		t.Error("a whole request is left, or half a one taken")
	}
	for what, change := range map[string]func(frame []byte){
		"IPv6":         func(f []byte) { f[offsetKind] = 0x86 },
		"UDP":          func(f []byte) { f[offsetProtocol] = 17 },
		"a fragment":   func(f []byte) { f[offsetFragment] = 0x20 },
		"an answer":    func(f []byte) { f[offsetIP+20] = 0 },
		"the gateway":  func(f []byte) { copy(f[offsetDestination:], []byte{169, 254, 88, 2}) },
		"a bad header": func(f []byte) { f[offsetIP] = 0x42 },
	} {
		frame := request(t)
		if change(frame); p.take(frame) {
			t.Errorf("%s was taken", what)
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add(request(f))
	p := newPinger(nil, netip.MustParseAddr("169.254.88.2"))
	p.slots = nil
	f.Fuzz(func(_ *testing.T, frame []byte) {
		if p.take(frame) {
			answer(frame)
		}
	})
}
