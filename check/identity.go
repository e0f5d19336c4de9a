package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// enough is how many ids an ordinary image may use.
const enough = 65536

// costOfOneID is what single-id mode cannot do.
const costOfOneID = "containers have one user: files of others in images become root's, and what switches users fails (apt, su, most databases)"

// idRange is count ids from first on.
type idRange struct{ first, count int }

func total(ranges []idRange) int {
	n := 0
	for _, r := range ranges {
		n += r.count
	}
	return n
}

func describe(ranges []idRange) string {
	var words []string
	for _, r := range ranges {
		words = append(words, fmt.Sprintf("%d-%d", r.first, r.first+r.count-1))
	}
	return strings.Join(words, ", ")
}

// identities looks at what gives a container more than one user and group.
func (m *machine) identities() []Item {
	if m.uid == 0 {
		return []Item{good("subordinate ids", "root maps a range of its own for containers")}
	}
	uids, gids := m.subordinate("/etc/subuid", "-u"), m.subordinate("/etc/subgid", "-g")
	ids := m.rangesItem(uids, gids)
	helpers := m.helperItem()
	items := []Item{ids, helpers}
	if !m.forbidden && total(uids) > 0 && total(gids) > 0 && helpers.Status == OK {
		items = append(items, m.mapItem(uids, gids))
	}
	return items
}

// subordinate asks the file and, for users of a directory service, getsubids.
func (m *machine) subordinate(file, flag string) []idRange {
	var list []idRange
	for _, r := range m.subIDs(file) {
		if r.Count <= 0 {
			continue
		}
		if r.Name == m.user || r.Name == strconv.Itoa(m.uid) {
			list = append(list, idRange{int(r.SubID), int(r.Count)})
		}
	}
	if len(list) > 0 {
		return list
	}
	return m.askGetsubids(flag)
}

func (m *machine) subIDs(file string) []user.SubID {
	list, err := user.ParseSubIDFile(m.path(file))
	if err != nil {
		return nil
	}
	return list
}

// askGetsubids reads lines such as "0: ann 100000 65536".
func (m *machine) askGetsubids(flag string) []idRange {
	if _, err := m.lookPath("getsubids"); err != nil {
		return nil
	}
	args := []string{m.user}
	if flag == "-g" {
		args = []string{flag, m.user}
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	out, err := m.command(ctx, "getsubids", args...)
	if err != nil {
		return nil
	}
	var list []idRange
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) != 4 {
			continue
		}
		first, err1 := strconv.Atoi(words[2])
		count, err2 := strconv.Atoi(words[3])
		if err1 == nil && err2 == nil && count > 0 {
			list = append(list, idRange{first, count})
		}
	}
	return list
}

func (m *machine) rangesItem(uids, gids []idRange) Item {
	n := min(total(uids), total(gids))
	i := Item{Name: "subordinate ids", Status: OK, Found: fmt.Sprintf("%d: %s", n, describe(uids))}
	switch {
	case n == 0:
		i.Status, i.Found, i.Cost = Degraded, "none for "+m.user, costOfOneID
		i.Fix.Lines = m.moreIDs()
	case n < enough:
		i.Status, i.Cost = Degraded, fmt.Sprintf("ids above %d in images become that of nobody", n)
		i.Fix.Lines = m.moreIDs()
	}
	return i
}

// moreIDs adds a range behind all those that are given away. usermod would refuse users of a directory service.
func (m *machine) moreIDs() []string {
	next := 100000
	files := []string{"/etc/subuid", "/etc/subgid"}
	for _, file := range files {
		for _, r := range m.subIDs(file) {
			next = max(next, int(r.SubID+r.Count))
		}
	}
	var lines []string
	for _, file := range files {
		lines = append(lines, fmt.Sprintf("echo %s >> %s", quote(fmt.Sprintf("%s:%d:%d", m.user, next, enough)), file))
	}
	return lines
}

// helperItem looks at the two programs that may map ids: root's, and marked so in the file system.
func (m *machine) helperItem() Item {
	i := Item{Name: "newuidmap, newgidmap", Status: OK}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		file, err := m.lookPath(name)
		if err != nil {
			i.Status, i.Found, i.Cost = Degraded, name+" is not installed", costOfOneID
			i.Fix = Fix{Packages: []string{"newuidmap"}}
			return i
		}
		if why := m.powerless(file); why != "" {
			i.Status, i.Found, i.Cost = Degraded, file+" "+why, costOfOneID
			i.Fix.Lines = append(i.Fix.Lines, "chown root:root "+quote(file), "chmod u+s "+quote(file))
		}
		if i.Status == OK {
			i.Found = strings.TrimPrefix(i.Found+", "+file, ", ")
		}
	}
	return i
}

// powerless says why a helper has not the right to map ids: distributions give it by the set-uid bit or by a file
// capability.
func (m *machine) powerless(file string) string {
	info, err := os.Stat(m.path(file))
	if err != nil {
		return reason(err)
	}
	var st unix.Statfs_t
	if unix.Statfs(m.path(file), &st) == nil && st.Flags&unix.ST_NOSUID != 0 {
		return "is on a file system mounted nosuid"
	}
	if _, err := unix.Getxattr(m.path(file), "security.capability", nil); err == nil {
		return ""
	}
	if info.Mode()&fs.ModeSetuid == 0 {
		return "is not set-uid root"
	}
	return ""
}

// mapItem has the helpers do it.
func (m *machine) mapItem(uids, gids []idRange) Item {
	i := good("id maps", fmt.Sprintf("written, %d users and %d groups", total(uids)+1, total(gids)+1))
	err := m.tryMaps(uids, gids)
	if err == nil {
		return i
	}
	i.Status, i.Found, i.Cost = Degraded, err.Error(), costOfOneID
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		i.Found = reason(err)
	}
	i.Remedy = "see that the ranges in /etc/subuid and /etc/subgid are this user's alone"
	return i
}
