package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

func userNamespace(_ context.Context, m *machine) []Item {
	items := []Item{m.userNamespaces()}
	if m.forbidden = items[0].Status != OK; m.forbidden {
		items[0].Cost += "; what else needs one was not tried"
	} else {
		items = append(items, m.namespaces()...)
	}
	return append(items, m.identities()...)
}

// userNamespaces makes one and uses a capability in it: AppArmor lets everybody make one, and then denies that.
func (m *machine) userNamespaces() Item {
	i := Item{Name: "user namespaces", Status: OK}
	err := m.try(unix.CLONE_NEWNS, func(p *fork.Program) {
		p.Call("change a mount", unix.SYS_MOUNT, "none", "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	})
	if err == nil {
		i.Found = "allowed"
		if n, ok := m.sysctl("user.max_user_namespaces"); ok {
			i.Found = "up to " + n
		}
		return i
	}
	i.Status, i.Found, i.Cost = Missing, reason(err), "no container can run"
	m.explain(&i, err)
	return i
}

// explain finds what forbids user namespaces.
func (m *machine) explain(i *Item, err error) {
	limit, hasLimit := m.sysctl("user.max_user_namespaces")
	clone, _ := m.sysctl("kernel.unprivileged_userns_clone")
	apparmor, _ := m.sysctl("kernel.apparmor_restrict_unprivileged_userns")
	switch {
	case !m.exists("/proc/self/ns/user"):
		i.Found, i.Remedy = "not in this kernel", "boot a kernel with CONFIG_USER_NS"
	case limit == "0":
		i.Found = "forbidden by user.max_user_namespaces = 0"
		i.Fix.Sysctls = []string{"user.max_user_namespaces = 15000"}
	case clone == "0" && m.uid != 0:
		i.Found = "forbidden by kernel.unprivileged_userns_clone = 0"
		i.Fix.Sysctls = []string{"kernel.unprivileged_userns_clone = 1"}
	case apparmor == "1" && m.uid != 0:
		i.Found = "AppArmor forbids them to programs without a profile (kernel.apparmor_restrict_unprivileged_userns = 1)"
		i.Fix.Lines = []string{appArmorProfile(m.program)}
	case errors.Is(err, unix.ENOSPC):
		i.Found = "no more are left"
		if hasLimit {
			i.Found += " of " + limit
		}
		i.Fix.Sysctls = []string{"user.max_user_namespaces = 15000"}
	case m.filtered():
		i.Found += ": a seccomp filter is on this process"
		i.Remedy = "an outer container or service filters system calls: start it without that (--security-opt seccomp=unconfined, " +
			"SystemCallFilter=, RestrictNamespaces=)"
	default:
		i.Remedy = "ask what forbids them: a security module, a chroot, or an outer container"
	}
}

// filtered is whether a seccomp filter is on this process.
func (m *machine) filtered() bool {
	for line := range strings.Lines(m.read("/proc/self/status")) {
		if key, value, _ := strings.Cut(line, ":"); key == "Seccomp" {
			return strings.TrimSpace(value) == "2"
		}
	}
	return false
}

// appArmorProfile is the shell that allows user namespaces to the program and changes nothing else for it.
func appArmorProfile(program string) string {
	const file = "/etc/apparmor.d/rl"
	return fmt.Sprintf(`cat > %s <<'END'
abi <abi/4.0>,
include <tunables/global>

profile rl %q flags=(unconfined) {
  userns,
  include if exists <local/rl>
}
END
apparmor_parser -r %[1]s`, file, program)
}

// namespaces makes one of every kind, all together, and singly only to find which one fails.
func (m *machine) namespaces() []Item {
	kinds := []struct {
		name string
		flag uint64
	}{
		{"mnt", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"uts", unix.CLONE_NEWUTS},
		{"ipc", unix.CLONE_NEWIPC}, {"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP},
	}
	var all uint64
	var names []string
	for _, k := range kinds {
		all |= k.flag
		names = append(names, k.name)
	}
	if m.try(all, nil) == nil {
		return []Item{good("other namespaces", strings.Join(names, " "))}
	}
	var items []Item
	for _, k := range kinds {
		err := m.try(k.flag, nil)
		if err == nil {
			continue
		}
		i := Item{Name: k.name + " namespaces", Status: Missing, Found: reason(err), Cost: "no container can run"}
		setting := "user.max_" + k.name + "_namespaces"
		if limit, ok := m.sysctl(setting); ok && errors.Is(err, unix.ENOSPC) {
			i.Found = fmt.Sprintf("%s = %s", setting, limit)
			i.Fix.Sysctls = []string{setting + " = 15000"}
		}
		items = append(items, i)
	}
	return items
}
