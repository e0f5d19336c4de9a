package spec

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// UserNS is a parsed --userns.
type UserNS struct {
	// KeepID is whether the caller has the same ids in the container as outside.
	KeepID bool
	// UID and GID are the ids the caller gets there; -1 for those he has outside.
	UID, GID int
}

// parseUserNS reads the mode of --userns: "", private or host (rl's one user namespace, in which containers are
// root without being root), or keep-id[:uid=N,gid=N].
func parseUserNS(s string) (UserNS, error) {
	ns := UserNS{UID: -1, GID: -1}
	mode, args, hasArgs := strings.Cut(s, ":")
	switch mode {
	case "", "host", "private":
		if hasArgs {
			return ns, fmt.Errorf("--userns %s takes nothing after a colon", mode)
		}
		return ns, nil
	case "keep-id":
	default:
		return ns, fmt.Errorf("--userns %q: choose host, private or keep-id[:uid=N,gid=N]", s)
	}
	ns.KeepID = true
	if !hasArgs {
		return ns, nil
	}
	for _, arg := range strings.Split(args, ",") {
		if err := ns.set(arg); err != nil {
			return ns, fmt.Errorf("--userns %q: %w", s, err)
		}
	}
	return ns, nil
}

func (ns *UserNS) set(arg string) error {
	key, value, _ := strings.Cut(arg, "=")
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not uid=N or gid=N", arg)
	}
	switch key {
	case "uid":
		ns.UID = int(n)
	case "gid":
		ns.GID = int(n)
	default:
		return fmt.Errorf("%q is not uid=N or gid=N", arg)
	}
	return nil
}

// setUserNamespace gives a container with keep-id a user namespace of its own,
// inside rl's. HostID in its maps counts as rl's namespace does.
func (b *builder) setUserNamespace() error {
	ns, err := parseUserNS(b.opts.UserNS)
	if err != nil {
		return err
	}
	b.facts.UserNS = b.opts.UserNS
	if !ns.KeepID {
		return nil
	}
	if ns.UID < 0 {
		ns.UID = b.host.UID
	}
	if ns.GID < 0 {
		ns.GID = b.host.GID
	}
	if b.opts.User == "" {
		b.opts.User = fmt.Sprintf("%d:%d", ns.UID, ns.GID)
	}
	b.add(specs.UserNamespace)
	b.spec.Linux.UIDMappings = exchangeIDs(uint32(ns.UID), count(b.host.UIDs))
	b.spec.Linux.GIDMappings = exchangeIDs(uint32(ns.GID), count(b.host.GIDs))
	// From here on, what is mapped is what the container's own maps say.
	b.host.UIDs, b.host.GIDs = b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings
	return nil
}

func count(ids []specs.LinuxIDMapping) uint32 {
	var n uint32
	for _, m := range ids {
		n += m.Size
	}
	return n
}

// exchangeIDs maps id, in the container, to 0 outside, which is the caller, and 0
// to id. All others stay as they are, so that the image's files keep their
// owners. Where there are not so many ids, 0 gets the last of them.
func exchangeIDs(id, size uint32) []specs.LinuxIDMapping {
	caller := specs.LinuxIDMapping{ContainerID: id, HostID: 0, Size: 1}
	switch {
	case id == 0:
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: size}}
	case size < 2:
		return []specs.LinuxIDMapping{caller}
	case id >= size:
		return nonEmpty(specs.LinuxIDMapping{ContainerID: 0, HostID: size - 1, Size: 1},
			specs.LinuxIDMapping{ContainerID: 1, HostID: 1, Size: size - 2}, caller)
	}
	return nonEmpty(specs.LinuxIDMapping{ContainerID: 0, HostID: id, Size: 1},
		specs.LinuxIDMapping{ContainerID: 1, HostID: 1, Size: id - 1}, caller,
		specs.LinuxIDMapping{ContainerID: id + 1, HostID: id + 1, Size: size - id - 1})
}

func nonEmpty(maps ...specs.LinuxIDMapping) []specs.LinuxIDMapping {
	var kept []specs.LinuxIDMapping
	for _, m := range maps {
		if m.Size > 0 {
			kept = append(kept, m)
		}
	}
	return kept
}
