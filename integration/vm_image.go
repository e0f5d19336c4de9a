package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// vmPackages is what the virtual machine's Debian 12 has: systemd with user
// sessions, what rl uses where it finds it, and podman to compare with.
const vmPackages = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,uidmap,linux-image-cloud-amd64," +
	"initramfs-tools,openssh-server,iproute2,nftables,slirp4netns,passt,fuse-overlayfs,procps,sudo,busybox-static,podman,crun"

// vmFiles are added to it. Everything that changes from run to run comes on a
// second disk, a tar archive that is unpacked at each boot before any service
// starts: the program under test is in it, which units start. The console then
// says vmReady.
var vmFiles = map[string]string{
	"etc/hostname": "rltest\n",
	"etc/hosts":    "127.0.0.1 localhost rltest\n", // sudo looks its machine's name up, and nobody would answer
	"etc/fstab":    "/dev/vda / ext4 noatime 0 1\n",
	"etc/systemd/network/10-ethernet.network": "[Match]\nName=en*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n" +
		"LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
	"etc/ssh/sshd_config.d/rl.conf": "HostKey /etc/ssh/rl_host_key\nPermitRootLogin prohibit-password\nUseDNS no\n",
	"etc/systemd/system/payload.service": "[Unit]\nDefaultDependencies=no\nAfter=systemd-remount-fs.service\n" +
		"Before=sysinit.target\n[Service]\nType=oneshot\nExecStart=tar -xpf /dev/vdb -C /\n[Install]\nWantedBy=sysinit.target\n",
	"etc/systemd/system/ready.service": "[Unit]\nAfter=ssh.service systemd-user-sessions.service systemd-logind.service " +
		"systemd-networkd.service\n[Service]\nType=oneshot\nExecStart=sh -c 'echo " + vmReady + " > /dev/ttyS0'\n" +
		"[Install]\nWantedBy=multi-user.target\n",
}

const vmReady = "the machine is ready"

// vmSetup runs in the new system, as a shell script with the system in $1.
const vmSetup = `set -eu
chroot "$1" useradd -m -s /bin/bash -u 1000 tester
chroot "$1" systemctl -q enable systemd-networkd ssh payload ready
chroot "$1" systemctl -q mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer \
	e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer podman-auto-update.timer podman.socket \
	podman-restart.service getty@tty1.service serial-getty@ttyS0.service
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*
cp -L "$1/vmlinuz" "$1/initrd.img" OUT
bare=$(mktemp -d)
mount --bind "$1" "$bare" # without the proc and sys that are mounted in it
truncate -s 3G OUT/root.img
mkfs.ext4 -q -F -d "$bare" OUT/root.img
umount "$bare"
rmdir "$bare"
`

// VirtualMachines means that this machine can make and start one.
var VirtualMachines = Requirement{"virtual machine", func() error {
	if runtime.GOARCH != "amd64" {
		return errors.New("the virtual machine is an amd64 one")
	}
	var missing []error
	for _, r := range []Requirement{Program("qemu-system-x86_64", "qemu-system-x86"),
		Program("mmdebstrap", "mmdebstrap"), Program("mkfs.ext4", "e2fsprogs")} {
		if err := r.Check(); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", r.Name, err))
		}
	}
	return errors.Join(missing...)
}}

// vmImage returns the folder with vmlinuz, initrd.img and root.img, making it
// the first time (one to two minutes). It lies in the user's cache folder
// under the hash of its recipe, and is only read afterwards.
func vmImage() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "rl-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFolder(cache)
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(cache, "vm-"+vmRecipe())
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := makeImage(dir); err != nil {
		return "", fmt.Errorf("make the virtual machine: %w", err)
	}
	return dir, dropOthers(cache, dir)
}

// vmRecipe is a hash over everything that decides what the image is.
func vmRecipe() string {
	h := sha256.New()
	fmt.Fprint(h, vmPackages, vmFiles, vmSetup) // a map is printed sorted
	return fmt.Sprintf("%x", h.Sum(nil))[:12]
}

// lockFolder makes two test runs wait for each other.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// makeImage builds elsewhere and moves, so that dir is whole or not there. An
// ordinary user's mmdebstrap works as another user, who has to reach the folder
// and write there; its name keeps everyone else out.
func makeImage(dir string) error {
	work, err := os.MkdirTemp("/var/tmp", "rl-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	out, err := os.MkdirTemp(work, "out-")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(work, 0o711), os.Chmod(out, 0o777)); err != nil {
		return err
	}
	overlay, setup := filepath.Join(work, "overlay"), filepath.Join(work, "setup")
	if err := writeFiles(overlay, vmFiles); err != nil {
		return err
	}
	if err := os.WriteFile(setup, []byte(strings.ReplaceAll(vmSetup, "OUT", out)), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("mmdebstrap", "--variant=minbase", "--format=null", "--quiet", "--include="+vmPackages,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--customize-hook=sync-in '"+overlay+"' /", "--customize-hook=sh '"+setup+"' \"$1\"", "bookworm", "/dev/null")
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s", err, text)
	}
	return errors.Join(os.Chmod(out, 0o755), move(out, dir))
}

// writeFiles writes the texts below dir.
func writeFiles(dir string, texts map[string]string) error {
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// move copies to another file system beside the goal first.
func move(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	beside := to + ".new"
	if err := os.RemoveAll(beside); err != nil {
		return err
	}
	if text, err := exec.Command("cp", "-r", "--sparse=always", from, beside).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, text)
	}
	return os.Rename(beside, to)
}

// dropOthers removes the images of earlier recipes.
func dropOthers(cache, keep string) error {
	old, err := filepath.Glob(filepath.Join(cache, "vm-*"))
	for _, dir := range old {
		if dir != keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}
