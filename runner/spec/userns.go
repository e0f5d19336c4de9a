package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// UserNS is a parsed --userns.
type UserNS struct {
	// KeepID is whether the caller has the same ids in the container as outside.
	KeepID bool
	// UID and GID are the ids the caller gets there; -1 for those he has outside.
	UID, GID int
}

// ParseUserNS reads the mode of --userns: "", private or host (rl's one user namespace, in which containers are
// root without being root), or keep-id[:uid=N,gid=N].
func ParseUserNS(s string) (UserNS, error) {
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
