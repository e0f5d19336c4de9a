package check

import (
	"context"
	"strings"

	"github.com/rl-project/rl/cgroup2"
)

// controlGroups says what package cgroup2 found. None of it keeps containers from running.
func controlGroups(ctx context.Context, m *machine) []Item {
	info := m.discover(ctx)
	var items []Item
	for _, f := range info.Findings() {
		i := Item{Name: f.Name, Status: OK, Found: f.Detail, Cost: f.Cost}
		if !f.OK {
			i.Status = Degraded
		}
		items = append(items, i)
	}
	if len(items) == 0 {
		return nil
	}
	first := &items[0]
	switch {
	case info.Mode != cgroup2.Unified && !m.exists("/run/systemd/system"):
		first.Remedy = "limits need a machine with cgroup v2 and systemd"
	case info.Mode != cgroup2.Unified:
		first.Fix = Fix{Lines: []string{info.Script()}}
	case m.withoutUserBus(info):
		first.Fix = Fix{Packages: []string{"user bus"}}
	case strings.TrimSpace(info.Script()) != "":
		first.Fix = Fix{Lines: []string{info.Script()}}
	}
	return items
}

// withoutUserBus is whether the user's systemd cannot be reached because nothing made its bus.
func (m *machine) withoutUserBus(info cgroup2.Info) bool {
	return m.uid != 0 && !info.Systemd && info.Delegated == "" && m.exists("/run/systemd/system") &&
		m.distro.family == "debian" && !m.exists("/usr/lib/systemd/user/dbus.socket")
}
