package check

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// oldest is the kernel that rl needs: overlay in user namespaces came with 5.11, setting the options of a mount
// before it can be seen (mount_setattr) with 5.12.
const oldestMajor, oldestMinor = 5, 12

func kernel(_ context.Context, m *machine) []Item {
	items := []Item{m.kernelVersion()}
	if m.forbidden {
		return items
	}
	return append(items, m.seccompFilter())
}

func (m *machine) kernelVersion() Item {
	i := good("Linux", m.kernel)
	var major, minor int
	if _, err := fmt.Sscanf(m.kernel, "%d.%d", &major, &minor); err != nil {
		return i // the tests below say what matters
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		i.Status = Missing
		i.Cost = fmt.Sprintf("containers need %d.%d or newer", oldestMajor, oldestMinor)
		i.Remedy = "boot a newer kernel"
	}
	return i
}

// seccompFilter loads a filter that allows everything.
func (m *machine) seccompFilter() Item {
	const name = "seccomp filters"
	filter := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	prog := unix.SockFprog{Len: 1, Filter: &filter[0]}
	err := m.try(0, func(p *fork.Program) {
		p.Pin(filter)
		p.Call("give up new privileges", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		p.Call("load a filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, fork.Pointer(&prog))
	})
	if err == nil {
		return good(name, "loaded one")
	}
	return Item{Name: name, Status: Missing, Found: reason(err),
		Cost: "containers only run with --security-opt seccomp=unconfined", Remedy: "boot a kernel with CONFIG_SECCOMP_FILTER"}
}
