package slirp

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// defaultPortStart is the kernel's own value of the sysctl below.
const defaultPortStart = 1024

// UnprivilegedPortStart is the lowest port that a process without privilege may
// listen on, from net.ipv4.ip_unprivileged_port_start of the caller's network
// namespace.
func UnprivilegedPortStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return defaultPortStart
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return defaultPortStart
	}
	return n
}

// PingAllowed reports whether the group gid may send ICMP echo requests without
// privilege, from net.ipv4.ping_group_range of the caller's network namespace.
// The uplinks need that for ping to work beyond the bridge.
func PingAllowed(gid int) bool {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		return false
	}
	var first, last int
	if _, err := fmt.Sscan(string(text), &first, &last); err != nil {
		return false
	}
	return first <= gid && gid <= last
}
