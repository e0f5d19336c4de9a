package check

import (
	"context"
	"os"
	"path/filepath"

	units "github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

func fileSystems(_ context.Context, m *machine) []Item {
	items := m.storeItems()
	if m.forbidden {
		return items
	}
	return append(items, m.kernelFileSystems()...)
}

// storeItems are about where containers and images lie.
func (m *machine) storeItems() []Item {
	if m.placesErr != nil {
		return []Item{{Name: "folder for containers", Status: Missing, Found: m.placesErr.Error(), Cost: "rl has no place for its files"}}
	}
	items := []Item{m.placeItem(), m.spaceItem()}
	if m.forbidden || items[0].Status == Missing {
		return items
	}
	return append(items, m.overlayItem())
}

// place is the folder for containers or, before there is one, what it will be in.
func (m *machine) place() string { return dirs.Nearest(m.places.Data) }

func (m *machine) placeItem() Item {
	i := good("folder for containers", m.places.Data)
	if err := unix.Access(m.place(), unix.W_OK); err != nil {
		i.Status, i.Found = Missing, m.place()+": "+err.Error()
		i.Cost, i.Remedy = "rl has no place for its files", "set XDG_DATA_HOME to a folder of yours"
	} else if m.places.Scratch {
		i.Status = Degraded
		i.Found += " (home is on a network file system)"
		i.Cost = "containers and images are on this machine alone"
		i.Remedy = "set XDG_DATA_HOME to a folder on a local disk to choose the place"
	} else if name := dirs.RemoteFS(m.place()); name != "" {
		i.Status, i.Cost = Degraded, name+" cannot hold files of several owners"
		i.Remedy = "set XDG_DATA_HOME to a folder on a local disk"
	}
	return i
}

// little is less than an image of a distribution needs.
const little = 1 << 30

func (m *machine) spaceItem() Item {
	i := good("space", "")
	var st unix.Statfs_t
	if err := unix.Statfs(m.place(), &st); err != nil {
		return Item{Name: i.Name, Status: Degraded, Found: reason(err), Cost: "it cannot be told how much is free"}
	}
	free := st.Bavail * uint64(st.Bsize)
	i.Found = units.BytesSize(float64(free)) + " free"
	if free < little {
		i.Status, i.Cost = Degraded, "images may not fit"
		i.Remedy = "remove what is not needed: rl rmi, rl rm"
	}
	return i
}

// overlayItem mounts an overlay of folders where containers will lie, and takes them
// away again.
func (m *machine) overlayItem() Item {
	const name = "overlay"
	err := m.tryOverlay()
	if err == nil {
		return good(name, "native, without privilege")
	}
	i := Item{Name: name, Status: Degraded, Found: "the kernel's does not work here (" + reason(err) + ")"}
	fuse, fuseErr := m.lookPath("fuse-overlayfs")
	if fuseErr == nil && m.usable("/dev/fuse") == nil {
		i.Found += ", " + fuse + " does"
		i.Cost = "files in containers are slower, and starts take longer"
		return i
	}
	i.Status, i.Cost = Missing, "no image can be mounted"
	if fuseErr != nil {
		i.Fix.Packages = []string{"fuse-overlayfs"}
	}
	if m.usable("/dev/fuse") != nil {
		i.Fix.Lines = []string{"modprobe fuse", "chmod 0666 /dev/fuse"}
	}
	return i
}

// trialPrefix begins the name of the folder that tryOverlay needs for a moment.
const trialPrefix = ".rl-check-"

func (m *machine) tryOverlay() error {
	dir, err := os.MkdirTemp(m.place(), trialPrefix)
	if err != nil {
		return err
	}
	defer m.removeOverlay(dir)
	for _, name := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	return m.try(unix.CLONE_NEWNS, mountable("overlay", "userxattr", "lowerdir="+filepath.Join(dir, "lower"),
		"upperdir="+filepath.Join(dir, "upper"), "workdir="+filepath.Join(dir, "work")))
}

// removeOverlay: the kernel leaves a folder in work that only its owner's root may look into, and that is empty.
func (m *machine) removeOverlay(dir string) {
	_ = os.Remove(filepath.Join(dir, "work", "work"))
	_ = os.RemoveAll(dir)
}

// usable is whether the caller may read and write a device.
func (m *machine) usable(device string) error {
	return unix.Access(m.path(device), unix.R_OK|unix.W_OK)
}

// kernelFileSystems are mounted in every container.
func (m *machine) kernelFileSystems() []Item {
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
	var items []Item
	works := "tmpfs"
	for _, f := range []struct {
		kind, cost string
		status     Status
		options    []string
	}{
		{"tmpfs", "no container can run", Missing, nil},
		{"proc", "no container can run: something is mounted over parts of /proc, as in an outer container", Missing, nil},
		{"devpts", "-t does not work", Degraded, []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
		{"sysfs", "no container can run: something is mounted over parts of /sys, as in an outer container", Missing, nil},
		{"mqueue", "no POSIX message queues in containers", Degraded, nil},
		{"cgroup2", "containers do not see their control group", Degraded, nil},
	} {
		err := m.try(all, mountable(f.kind, f.options...))
		switch {
		case err != nil:
			items = append(items, Item{Name: f.kind, Status: f.status, Found: reason(err), Cost: f.cost})
		case f.kind != "tmpfs":
			works += " " + f.kind
		}
	}
	if len(items) == 0 {
		return []Item{good("mounts in containers", works)}
	}
	return items
}
