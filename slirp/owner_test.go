package slirp

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

const procNetTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 11111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000  1001        0 22222 1 0 20 0 0 10 -1
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 33333 1 0 100 0 0 10 0
   3: short line
`

func TestCollectInodes(t *testing.T) {
	tests := []struct {
		m    PortMapping
		want string
	}{
		{PortMapping{Host: 8080}, "map[11111:true]"},
		{PortMapping{Host: 8080, HostEnd: 8090}, "map[11111:true 33333:true]"},
		{PortMapping{Host: 9999}, "map[]"},
	}
	for _, test := range tests {
		inodes := map[string]bool{}
		collectInodes(bufio.NewScanner(strings.NewReader(procNetTCP)), test.m, inodes)
		if got := fmt.Sprint(inodes); got != test.want {
			t.Errorf("%v: got %s, want %s", test.m, got, test.want)
		}
	}
}

func TestPortOwnerFindsThisProcess(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	want := fmt.Sprintf("(pid %d)", os.Getpid())
	if got := PortOwner(PortMapping{Host: port, Protocol: "tcp"}); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want %s", got, want)
	}
	if got := PortOwner(PortMapping{Host: port, Protocol: "udp"}); got != "" {
		t.Errorf("for UDP got %q", got)
	}
}

func FuzzCollectInodes(f *testing.F) {
	f.Add(procNetTCP)
	f.Fuzz(func(t *testing.T, table string) {
		collectInodes(bufio.NewScanner(strings.NewReader(table)), PortMapping{Host: 1, HostEnd: 65535}, map[string]bool{})
	})
}
