package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A pasta that is recent enough is the uplink of all containers, without being
// asked for.
func TestNetworkTakesRecentPasta(t *testing.T) {
	Need(t, DebianImages)
	address := hostAddress(t)
	port := listenOnHost(t, address, "outside")
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			e := Fresh(t, who.account)
			if err := errors.Join(e.Preload(), e.InstallPasta()); err != nil {
				t.Fatal(err)
			}
			if got := e.OK(t, "check"); !strings.Contains(got, e.installed+"/pasta") {
				t.Errorf("check says: %s", got)
			}
			name, _ := e.serve(t, "in", "-p", "80")
			if got := children(t, e.networkProcess(t)); !strings.Contains(got, "/usr/bin/pasta --foreground") {
				t.Errorf("the network process has the children %q", got)
			}
			for range 5 {
				e.Want(t, "65520\noutside", "run", "--rm", Image, "sh", "-c",
					fmt.Sprintf("cat /sys/class/net/eth0/mtu; nc -w 10 %s %s", address, port))
			}
			if got, err := hear(net.JoinHostPort(address, e.hostPort(t, name))); got != "in" {
				t.Errorf("the published port says %q, %v", got, err)
			}
		})
	}
}

// children are the command lines of a process's children, a line for each.
func children(t *testing.T, pid int) (lines string) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	for _, list := range lists {
		pids, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range strings.Fields(string(pids)) {
			words, err := os.ReadFile("/proc/" + child + "/cmdline")
			if err != nil {
				t.Fatal(err)
			}
			lines += strings.ReplaceAll(string(words), "\x00", " ") + "\n"
		}
	}
	return lines
}
