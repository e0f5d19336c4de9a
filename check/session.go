package check

import (
	"context"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func session(_ context.Context, m *machine) []Item {
	var items []Item
	if m.placesErr == nil {
		items = append(items, m.runtimeItem())
	}
	if m.uid != 0 && m.exists("/run/systemd/system") {
		items = append(items, m.lingerItem())
	}
	return items
}

// runtimeItem is about sockets and locks, which must be where a reboot clears them and a tidying job does not.
func (m *machine) runtimeItem() Item {
	i := good("runtime folder", m.places.Runtime)
	given := m.getenv("XDG_RUNTIME_DIR")
	switch {
	case strings.HasPrefix(m.places.Runtime, "/tmp/"):
		i.Status, i.Cost = Degraded, "jobs that tidy /tmp may cut off running containers"
		i.Remedy = "log in by ssh or a console rather than su, or set XDG_RUNTIME_DIR to a folder of yours with mode 0700"
	case given != "" && m.uid != 0 && !strings.HasPrefix(m.places.Runtime, given):
		i.Found += " (XDG_RUNTIME_DIR is " + given + ", which is not a folder of this user's alone)"
	}
	var st unix.Statfs_t
	if i.Status == OK && unix.Statfs(m.places.Runtime, &st) == nil && st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		i.Found += ", not in memory"
	}
	return i
}

// lingerItem: without it systemd ends everything of a user's with the last session.
func (m *machine) lingerItem() Item {
	i := good("after logout", "containers go on")
	if _, err := os.Stat(m.path("/var/lib/systemd/linger/" + m.user)); err == nil {
		return i
	}
	i.Status, i.Found, i.Cost = Degraded, "linger is off", "containers end with the last session of "+m.user
	i.Fix = Fix{Lines: []string{"loginctl enable-linger " + quote(m.user)}, Optional: true,
		Why: "let containers of " + m.user + " run on after logout and start at boot"}
	return i
}

// limits are those that containers inherit and cannot exceed.
func limits(_ context.Context, m *machine) []Item {
	return []Item{
		m.limitItem("open files", unix.RLIMIT_NOFILE, "nofile", 8192, 524288, "servers in containers run out of descriptors"),
		m.limitItem("processes", unix.RLIMIT_NPROC, "nproc", 1024, 65536, "containers with many threads fail to start them"),
	}
}

func (m *machine) limitItem(name string, resource int, word string, low, better uint64, cost string) Item {
	hard := m.hardLimit(resource)
	if hard >= low {
		return good(name, limitText(hard))
	}
	line := m.user + " hard " + word + " " + strconv.FormatUint(better, 10)
	return Item{Name: name, Status: Degraded, Found: limitText(hard), Cost: cost,
		Fix: Fix{Lines: []string{"echo " + quote(line) + " >> /etc/security/limits.d/90-rl.conf"}}}
}

func limitText(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return "up to " + strconv.FormatUint(n, 10)
}
