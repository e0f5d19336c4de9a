package userns

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/dynidtools"
	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"

	"github.com/rl-project/rl/internal/idmap"
)

// Mapping is one line of a uid_map or gid_map.
type Mapping = idmap.Range

// rootBase is where root's range begins when /etc/subuid names none for root:
// the first id above those that systemd gives to containers
// (https://systemd.io/UIDS-GIDS).
const (
	rootBase = 0x70000000
	rootSize = 65536
)

// plan is how a new namespace gets its ids.
type plan struct {
	uids, gids []Mapping
	helpers    bool   // by newuidmap and newgidmap, which are set-uid root
	lacking    string // why there is only one id
}

// planFor looks up the person's subordinate ids.
func planFor(uid, gid int) plan {
	if uid == 0 {
		return rootPlan()
	}
	single := plan{
		uids: []Mapping{{Container: 0, Host: uint32(uid), Size: 1}},
		gids: []Mapping{{Container: 0, Host: uint32(gid), Size: 1}},
	}
	name := loginName(uid)
	for _, helper := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(helper); err != nil {
			single.lacking = fmt.Sprintf("%s is not installed (package uidmap or shadow-utils)", helper)
			return single
		}
	}
	uids, gids := subIDs(uid, name)
	if len(uids) == 0 || len(gids) == 0 {
		single.lacking = fmt.Sprintf("no subordinate ids for user %s (add a line %s:100000:65536 to /etc/subuid and /etc/subgid)", name, name)
		return single
	}
	return plan{uids: join(uid, uids), gids: join(gid, gids), helpers: true}
}

// rootPlan maps a range of its own, so that root in a container is never root
// on the host.
func rootPlan() plan {
	uids, gids := subIDs(0, "root")
	if len(uids) == 0 || len(gids) == 0 {
		own := []idtools.SubIDRange{{Start: rootBase, Length: rootSize}}
		uids, gids = own, own
	}
	return plan{uids: consecutive(0, uids), gids: consecutive(0, gids)}
}

// subIDs asks getsubids, which knows directory users, and then the files.
func subIDs(uid int, name string) (uids, gids []idtools.SubIDRange) {
	if _, err := exec.LookPath("getsubids"); err == nil {
		uids, gids, _ = dynidtools.GetSubIDRanges(uid, name)
	}
	if len(uids) == 0 || len(gids) == 0 {
		uids, gids, _ = idtools.GetSubIDRanges(uid, name)
	}
	return uids, gids
}

// join maps the person's own id to 0 and ranges to what follows.
func join(own int, ranges []idtools.SubIDRange) []Mapping {
	return append([]Mapping{{Container: 0, Host: uint32(own), Size: 1}}, consecutive(1, ranges)...)
}

func consecutive(next uint32, ranges []idtools.SubIDRange) []Mapping {
	var maps []Mapping
	for _, r := range ranges {
		if r.Length <= 0 {
			continue
		}
		maps = append(maps, Mapping{Container: next, Host: uint32(r.Start), Size: uint32(r.Length)})
		next += uint32(r.Length)
	}
	return maps
}

// loginName survives users that only a directory service knows.
func loginName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return strconv.Itoa(uid)
}

// write gives the namespace of process pid its ids.
func (p plan) write(pid int) error {
	if p.helpers {
		if err := runHelper("newuidmap", pid, p.uids); err != nil {
			return err
		}
		return runHelper("newgidmap", pid, p.gids)
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	if p.lacking != "" {
		// Without privilege a gid can be mapped only where setgroups(2) is off.
		if err := os.WriteFile(proc+"setgroups", []byte("deny"), 0); err != nil {
			return err
		}
	}
	if err := os.WriteFile(proc+"uid_map", []byte(lines(p.uids)), 0); err != nil {
		return err
	}
	return os.WriteFile(proc+"gid_map", []byte(lines(p.gids)), 0)
}

func lines(maps []Mapping) (s string) {
	for _, m := range maps {
		s += fmt.Sprintf("%d %d %d\n", m.Container, m.Host, m.Size)
	}
	return s
}

func runHelper(name string, pid int, maps []Mapping) error {
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		for _, n := range []uint32{m.Container, m.Host, m.Size} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
