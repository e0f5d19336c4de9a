// Package dirs decides where rl keeps its files.
//
// There are two places: Runtime, which a reboot clears, for sockets, locks and
// facts about live processes, and Data, which stays, for containers and what
// is known of images. Both belong to the person alone (mode 0700) and are
// never trusted blindly: a folder of somebody else's, or one that others may
// write, is refused.
package dirs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrUntrusted is wrapped by errors about a folder that others could change.
var ErrUntrusted = errors.New("folder cannot be trusted")

// Dirs are rl's folders, absolute and existing.
type Dirs struct {
	Runtime string // sockets, locks, facts about processes; gone after a reboot
	Data    string // containers, and records of images
	Scratch bool   // Data is on local scratch because home is on a network file system
	UID     int    // the person, as the host counts
	GID     int    // the person's primary group
}

// Names of the variables by which a process in the user namespace, where user
// ids differ and home may be out of reach, learns the folders of its caller.
const (
	runtimeVar = "_RL_RUNTIME"
	dataVar    = "_RL_DATA"
	uidVar     = "_RL_UID"
	gidVar     = "_RL_GID"
)

// Environ returns the variables that Inherited reads.
func (d Dirs) Environ() []string {
	return []string{runtimeVar + "=" + d.Runtime, dataVar + "=" + d.Data, uidVar + "=" + strconv.Itoa(d.UID), gidVar + "=" + strconv.Itoa(d.GID)}
}

// Config is where the image libraries look for the configuration of real root,
// inside the user namespace, where Data is home.
func (d Dirs) Config() string { return filepath.Join(d.Data, ".config", "containers") }

// Inherited returns the folders that the caller outside the user namespace chose.
func Inherited() (Dirs, error) {
	uid, err := strconv.Atoi(os.Getenv(uidVar))
	gid, gidErr := strconv.Atoi(os.Getenv(gidVar))
	d := Dirs{Runtime: os.Getenv(runtimeVar), Data: os.Getenv(dataVar), UID: uid, GID: gid}
	if err != nil || gidErr != nil || d.Runtime == "" || d.Data == "" {
		return d, errors.New("this command is for rl's own use")
	}
	return d, nil
}

// Open chooses the folders of the calling person and makes them. It is called
// outside the user namespace.
func Open() (Dirs, error) {
	d := Dirs{UID: os.Geteuid(), GID: os.Getegid()}
	var err error
	if d.Runtime, err = private(runtimeFolder(d.UID), d.UID); err != nil {
		return d, err
	}
	if d.Data, d.Scratch, err = dataFolder(d.UID); err != nil {
		return d, err
	}
	if err := os.MkdirAll(filepath.Dir(d.Data), 0o700); err != nil {
		return d, fmt.Errorf("no place for containers: %w; set XDG_DATA_HOME to a folder of yours", err)
	}
	d.Data, err = private(d.Data, d.UID)
	return d, err
}

// Exist reports whether the folders that Open would choose are there already.
func Exist() bool {
	uid := os.Geteuid()
	return HasData() && isFolder(runtimeFolder(uid))
}

// HasData reports whether the person has containers, or has had some.
func HasData() bool {
	data, _, err := dataFolder(os.Geteuid())
	return err == nil && isFolder(data)
}

func isFolder(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// runtimeFolder is in $XDG_RUNTIME_DIR, or in /run/user/UID where a login made
// that although the variable did not survive (su, cron), or in /tmp. Root, who
// often has no login session, uses /run.
func runtimeFolder(uid int) string {
	if uid == 0 {
		return "/run/rl"
	}
	user := strconv.Itoa(uid)
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + user} {
		if filepath.IsAbs(parent) && trusted(parent, uid) == nil {
			return filepath.Join(parent, "rl")
		}
	}
	return "/tmp/rl-" + user
}

// dataFolder is $XDG_DATA_HOME/rl, or local scratch where that lies on a file
// system that cannot hold files of several owners.
func dataFolder(uid int) (dir string, scratch bool, err error) {
	if uid == 0 {
		return "/var/lib/rl", false, nil
	}
	parent, err := DataHome()
	if err != nil {
		return "", false, err
	}
	if remote(parent) {
		return "/var/tmp/rl-" + strconv.Itoa(uid), true, nil
	}
	return filepath.Join(parent, "rl"), false, nil
}

// DataHome is the folder in which an ordinary person's programs keep their data.
func DataHome() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("no place for containers: set HOME or XDG_DATA_HOME")
	}
	return filepath.Join(home, ".local", "share"), nil
}

// private makes dir with mode 0700 if it is missing, and checks it. For root
// others may pass through it: the container's root is not the host's.
func private(dir string, uid int) (string, error) {
	mode := os.FileMode(0o700)
	if uid == 0 {
		mode = 0o711
	}
	err := os.Mkdir(dir, mode)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := trusted(dir, uid); err != nil || uid != 0 {
		return dir, err
	}
	return dir, os.Chmod(dir, mode)
}

// trusted refuses a link, a folder of another owner, and one that others may write.
func trusted(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || int(st.Uid) != uid || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: %s must be a folder of user id %d that nobody else can write", ErrUntrusted, dir, uid)
	}
	return nil
}

// File systems on which several owners' files or overlay cannot be stored, by
// statfs(2) magic number: the network and cluster ones.
var remoteFS = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.V9FS_MAGIC:       "9p",
	0x0BD00BD0:            "Lustre",
	0x47504653:            "GPFS",
	0x19830326:            "BeeGFS",
}

// remote looks at dir, or where it is missing, at what it will be made in.
func remote(dir string) bool {
	for !isFolder(dir) && dir != "/" {
		dir = filepath.Dir(dir)
	}
	return RemoteFS(dir) != ""
}

// RemoteFS names the network file system that dir lies on, "" for a local one.
func RemoteFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	return remoteFS[int64(st.Type)]
}
