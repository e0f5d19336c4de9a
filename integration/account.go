package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Account is the user that a command runs as.
type Account struct {
	Name     string
	UID, GID int
}

// testUser is the name of the ordinary user that the harness makes as root.
const testUser = "rl-test"

// Root reports whether the account is the superuser.
func (a Account) Root() bool { return a.UID == 0 }

// Ordinary is an account without privileges: the current user, or, when the
// tests run as root, one that is made for them and stays for the next run.
var Ordinary = sync.OnceValues(func() (Account, error) {
	if os.Geteuid() != 0 {
		return current()
	}
	if _, err := user.Lookup(testUser); err != nil {
		if err := addUser(); err != nil {
			return Account{}, err
		}
	}
	if err := openDevices(); err != nil {
		return Account{}, err
	}
	u, err := user.Lookup(testUser)
	if err != nil {
		return Account{}, err
	}
	return account(u)
})

// current is the account that the tests themselves run as.
func current() (Account, error) {
	u, err := user.Current()
	if err != nil {
		return Account{}, err
	}
	return account(u)
}

func account(u *user.User) (Account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Account{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return Account{Name: u.Username, UID: uid, GID: gid}, err
}

// addUser makes the ordinary user with a range of subordinate ids, which some
// versions of useradd give by themselves and some do not.
func addUser() error {
	fmt.Printf("making the user %s for the tests (`userdel -r %s` removes it)\n", testUser, testUser)
	out, err := exec.Command("useradd", "--create-home", "--shell", "/bin/sh", testUser).CombinedOutput()
	if err != nil {
		return fmt.Errorf("useradd %s: %w: %s", testUser, err, out)
	}
	subuid, err := os.ReadFile("/etc/subuid")
	if err == nil && bytes.Contains(subuid, []byte(testUser+":")) {
		return nil
	}
	out, err = exec.Command("usermod", "--add-subuids", "900000-965535", "--add-subgids", "900000-965535", testUser).CombinedOutput()
	if err != nil {
		return fmt.Errorf("usermod %s: %w: %s", testUser, err, out)
	}
	return nil
}

// openDevices gives the two devices that rl uses the mode that distributions
// give them through udev; machines without udev do not have it.
func openDevices() error {
	if err := os.MkdirAll("/dev/net", 0o755); err != nil {
		return err
	}
	tun := int(unix.Mkdev(10, 200))
	if err := unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o666, tun); err != nil && err != unix.EEXIST {
		return fmt.Errorf("mknod /dev/net/tun: %w", err)
	}
	for _, dev := range []string{"/dev/net/tun", "/dev/fuse"} {
		if err := os.Chmod(dev, 0o666); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
