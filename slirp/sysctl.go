package slirp

import (
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
