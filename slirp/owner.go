package slirp

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PortOwner says who listens on m's host port, as "nginx (pid 1234)", when it
// is a process whose descriptors the caller may look at; else it is empty.
//
// It is for the command that a person typed: seen from inside rl's user
// namespace, the processes outside are closed books even for their owner. The
// caller is in the host's network namespace.
func PortOwner(m PortMapping) string {
	pid, name := holderOf(listeners(m))
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf("%s (pid %d)", name, pid)
}

// listeners returns the inodes of the sockets that hold m's host port.
func listeners(m PortMapping) map[string]bool {
	inodes := map[string]bool{}
	for _, table := range []string{m.Protocol, m.Protocol + "6"} {
		f, err := os.Open(filepath.Join("/proc/thread-self/net", table))
		if err != nil {
			continue
		}
		collectInodes(bufio.NewScanner(f), m, inodes)
		f.Close()
	}
	return inodes
}

// Columns of /proc/net/tcp and its siblings, and the states of sockets that
// keep a port from others.
const (
	columnLocal = 1
	columnState = 3
	columnInode = 9
	stateListen = "0A" // of TCP
	stateClosed = "07" // of UDP: bound, not connected
)

func collectInodes(lines *bufio.Scanner, m PortMapping, inodes map[string]bool) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= columnInode || (fields[columnState] != stateListen && fields[columnState] != stateClosed) {
			continue
		}
		if holds(fields[columnLocal], m) {
			inodes[fields[columnInode]] = true
		}
	}
}

// holds reports whether a socket with this local address ("0100007F:1F90")
// takes a port that m may have. Addresses are compared only as far as "is it
// every address", which errs to naming a process too many.
func holds(local string, m PortMapping) bool {
	_, portText, _ := strings.Cut(local, ":")
	b, err := hex.DecodeString(portText)
	if err != nil || len(b) != 2 {
		return false
	}
	port := uint16(b[0])<<8 | uint16(b[1])
	return port >= m.Host && port <= max(m.Host, m.HostEnd)
}

// holderOf finds a process with one of the sockets among its descriptors.
func holderOf(inodes map[string]bool) (pid int, name string) {
	if len(inodes) == 0 {
		return 0, ""
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		if hasSocket(dir, inodes) {
			pid, _ = strconv.Atoi(filepath.Base(dir))
			comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}

func hasSocket(dir string, inodes map[string]bool) bool {
	descriptors, _ := os.ReadDir(filepath.Join(dir, "fd"))
	for _, d := range descriptors {
		target, _ := os.Readlink(filepath.Join(dir, "fd", d.Name()))
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if isSocket && inodes[strings.TrimSuffix(inode, "]")] {
			return true
		}
	}
	return false
}
