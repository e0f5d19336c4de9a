package spec

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// keepGroups is the word of --group-add that keeps the caller's supplementary groups.
const keepGroups = "keep-groups"

// UserIdentity is who a process of the container is, in ids of the container's user namespace.
type UserIdentity struct {
	// UID and GID are the user's and the primary group's.
	UID, GID uint32
	// Groups are the supplementary ones, without duplicates.
	Groups []uint32
	// Home is the home directory by /etc/passwd, "/" when it says nothing.
	Home string
}

func (b *builder) setUser() error {
	asked := b.opts.User
	if asked == "" {
		asked = b.img.User
	}
	id, err := IdentityOf(b.host, asked)
	if err != nil {
		return err
	}
	if err := checkMapped(b.host, asked, id); err != nil {
		return err
	}
	id.Groups = slices.DeleteFunc(id.Groups, func(g uint32) bool { return !mapped(b.host.GIDs, g) })
	if err := b.addGroups(&id); err != nil {
		return err
	}
	umask := uint32(0o022)
	u := &b.spec.Process.User
	u.UID, u.GID, u.AdditionalGids, u.Umask = id.UID, id.GID, id.Groups, &umask
	b.user = id
	b.noteOwnID()
	return nil
}

// noteOwnID is for who asks for his own id, which makes his folders his in a container of Docker's.
// Here that id is a stranger to them, and root is who they belong to.
func (b *builder) noteOwnID() {
	writes := func(m Mount) bool { return m.Kind == KindBind && !m.ReadOnly }
	if b.opts.User == "" || b.opts.UserNS != "" || b.host.UID == 0 || int(b.user.UID) != b.host.UID || !slices.ContainsFunc(b.mounts, writes) {
		return
	}
	b.facts.Notes = append(b.facts.Notes, fmt.Sprintf("--user %s: in the container you are root, and %d is a stranger to your folders: leave it out, or add --userns keep-id",
		b.opts.User, b.user.UID))
}

// IdentityOf resolves name|uid[:group|gid] with the image's files, read through host.Open. "" is root.
// `exec -u` uses it too.
func IdentityOf(host Host, asked string) (UserIdentity, error) {
	passwd, err := host.open("/etc/passwd")
	if err != nil {
		return UserIdentity{}, err
	}
	defer passwd.Close()
	group, err := host.open("/etc/group")
	if err != nil {
		return UserIdentity{}, err
	}
	defer group.Close()
	return resolveUser(passwd, group, asked)
}

func (h Host) open(path string) (io.ReadCloser, error) {
	none := io.NopCloser(strings.NewReader(""))
	if h.Open == nil {
		return none, nil
	}
	f, err := h.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the image: %w", path, err)
	}
	return f, nil
}

// resolveUser finds the ids for asked, name|uid[:group|gid], in files of the formats of /etc/passwd and
// /etc/group. Numbers need not be listed there. "" is root. The supplementary groups are those that list
// the user, unless asked names a group.
func resolveUser(passwd, group io.Reader, asked string) (UserIdentity, error) {
	u, err := user.GetExecUser(asked, &user.ExecUser{Home: "/"}, passwd, group)
	if err != nil {
		return UserIdentity{}, unknownUser(asked, err)
	}
	// Nobody else checks what stands in the image's files, and -1 means "leave it" to setresuid.
	for _, n := range append([]int{u.Uid, u.Gid}, u.Sgids...) {
		if n < 0 || n > math.MaxInt32 {
			return UserIdentity{}, fmt.Errorf("%w %s: the image gives it the id %d", ErrNoUser, asked, n)
		}
	}
	id := UserIdentity{UID: uint32(u.Uid), GID: uint32(u.Gid), Home: u.Home}
	for _, g := range u.Sgids {
		id.Groups = appendGroup(id.Groups, uint32(g))
	}
	if id.Home == "" {
		id.Home = "/"
	}
	return id, nil
}

func (b *builder) addGroups(id *UserIdentity) error {
	if slices.Contains(b.opts.GroupAdd, keepGroups) {
		if len(b.opts.GroupAdd) > 1 {
			return fmt.Errorf("--group-add %s excludes other groups: the caller's groups cannot be kept and changed", keepGroups)
		}
		b.facts.KeepGroups = true
		id.Groups = nil
		return nil
	}
	gids, err := b.lookupGroups(b.opts.GroupAdd)
	if err != nil {
		return err
	}
	for i, g := range gids {
		if !mapped(b.host.GIDs, g) {
			return fmt.Errorf("--group-add %s: gid %d is not among the ids that containers have here; "+
				"%s keeps the caller's own groups", b.opts.GroupAdd[i], g, keepGroups)
		}
		id.Groups = appendGroup(id.Groups, g)
	}
	return nil
}

// lookupGroups gives one number for each name or number.
func (b *builder) lookupGroups(names []string) ([]uint32, error) {
	if len(names) == 0 {
		return nil, nil
	}
	f, err := b.host.open("/etc/group")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known, err := user.ParseGroup(f)
	if err != nil {
		return nil, fmt.Errorf("read /etc/group of the image: %w", err)
	}
	gids := make([]uint32, 0, len(names))
	for _, name := range names {
		g, err := groupID(known, name)
		if err != nil {
			return nil, err
		}
		gids = append(gids, g)
	}
	return gids, nil
}

func groupID(known []user.Group, name string) (uint32, error) {
	for _, g := range known {
		if g.Name == name && g.Gid >= 0 && g.Gid <= math.MaxInt32 {
			return uint32(g.Gid), nil
		}
	}
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("--group-add %s: no such group in the image's /etc/group, and not a number", name)
	}
	return uint32(n), nil
}

func appendGroup(groups []uint32, g uint32) []uint32 {
	if slices.Contains(groups, g) {
		return groups
	}
	return append(groups, g)
}

// unknownUser says what is wrong in words of its own: those of the library begin with the same ones.
func unknownUser(asked string, err error) error {
	name, group, _ := strings.Cut(asked, ":")
	switch {
	case errors.Is(err, user.ErrNoPasswdEntries):
		return fmt.Errorf("%w %s: %w", ErrNoUser, name, user.ErrNoPasswdEntries)
	case errors.Is(err, user.ErrNoGroupEntries):
		return fmt.Errorf("%w's group %s: %w", ErrNoUser, group, user.ErrNoGroupEntries)
	}
	return fmt.Errorf("%w %s: %w", ErrNoUser, asked, err)
}

// checkMapped refuses ids the user namespace does not have: setuid would fail with "invalid argument".
func checkMapped(host Host, asked string, id UserIdentity) error {
	const wayOut = "; give the user more subordinate ids in /etc/subuid and /etc/subgid, or choose a smaller id"
	if !mapped(host.UIDs, id.UID) {
		return fmt.Errorf("user %s: uid %d is not among the ids that containers have here%s", asked, id.UID, wayOut)
	}
	if !mapped(host.GIDs, id.GID) {
		return fmt.Errorf("user %s: gid %d is not among the ids that containers have here%s", asked, id.GID, wayOut)
	}
	return nil
}
