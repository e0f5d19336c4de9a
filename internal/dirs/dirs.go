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

// Dirs are rl's folders, absolute. They are there once somebody has called Make.
type Dirs struct {
	Runtime string // sockets, locks, facts about processes; gone after a reboot
	Data    string // containers, and records of images
	Chosen  string // where Data would be, if it is in memory for this one command; else ""
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
	chosenVar  = "_RL_CHOSEN"
)

// Environ returns the variables that Inherited reads.
func (d Dirs) Environ() []string {
	vars := []string{runtimeVar + "=" + d.Runtime, dataVar + "=" + d.Data, uidVar + "=" + strconv.Itoa(d.UID), gidVar + "=" + strconv.Itoa(d.GID)}
	if d.Chosen != "" {
		vars = append(vars, chosenVar+"="+d.Chosen)
	}
	return vars
}

// Config is where the image libraries look for the configuration of real root,
// inside the user namespace, where Data is home.
func (d Dirs) Config() string { return filepath.Join(d.Data, ".config", "containers") }

// Inherited returns the folders that the caller outside the user namespace chose.
func Inherited() (Dirs, error) {
	uid, err := strconv.Atoi(os.Getenv(uidVar))
	gid, gidErr := strconv.Atoi(os.Getenv(gidVar))
	d := Dirs{Runtime: os.Getenv(runtimeVar), Data: os.Getenv(dataVar), Chosen: os.Getenv(chosenVar), UID: uid, GID: gid}
	if err != nil || gidErr != nil || d.Runtime == "" || d.Data == "" {
		return d, errors.New("this command is for rl's own use")
	}
	return d, nil
}

// Choose decides where the calling person's folders are, and makes nothing: they
// need not be there. It is called outside the user namespace.
func Choose() (Dirs, error) {
	d := Dirs{UID: os.Geteuid(), GID: os.Getegid()}
	d.Runtime = runtimeFolder(d.UID)
	var err error
	if d.Data, d.Scratch, err = dataFolder(d.UID); err != nil {
		return d, err
	}
	for _, dir := range []string{d.Runtime, d.Data} {
		if err := trusted(dir, d.UID); err != nil && !errors.Is(err, os.ErrNotExist) {
			return d, err
		}
	}
	return d, nil
}

// HasData reports whether something has ever been made in Data.
func (d Dirs) HasData() bool { return isFolder(filepath.Join(d.Data, inData[0])) }

// Exist reports whether both folders are there.
func (d Dirs) Exist() bool { return d.HasData() && isFolder(d.Runtime) }

// Nearest is dir, or the folder nearest above it that is there.
func Nearest(dir string) string {
	for dir != "/" {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
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
	parent, err := dataHome()
	if err != nil {
		return "", false, err
	}
	if remote(parent) {
		return "/var/tmp/rl-" + strconv.Itoa(uid), true, nil
	}
	return filepath.Join(parent, "rl"), false, nil
}

// dataHome is the folder in which an ordinary person's programs keep their data.
func dataHome() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("no place for containers: set HOME or XDG_DATA_HOME")
	}
	return filepath.Join(home, ".local", "share"), nil
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
	return RemoteFS(Nearest(dir)) != ""
}

// RemoteFS names the network file system that dir lies on, "" for a local one.
func RemoteFS(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	return remoteFS[int64(st.Type)]
}
