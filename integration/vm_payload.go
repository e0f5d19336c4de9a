package integration

import (
	"archive/tar"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// vmKeys are made for one run: the machine's, by which it is recognised, and
// the key that opens it.
type vmKeys struct {
	host, login ssh.Signer
	hostPEM     []byte
}

func newVMKeys() (vmKeys, error) {
	host, hostPEM, err1 := newVMKey()
	login, _, err2 := newVMKey()
	return vmKeys{host, login, hostPEM}, errors.Join(err1, err2)
}

func newVMKey() (ssh.Signer, []byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	return signer, pem.EncodeToMemory(block), err
}

const vmUID = 1000 // of the user tester

// writeVMPayload writes the machine's second disk: keys, the program under
// test, and an image for it.
func writeVMPayload(path string, keys vmKeys) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tw := tar.NewWriter(f)
	authorized := ssh.MarshalAuthorizedKey(keys.login.PublicKey())
	err = errors.Join(
		addFile(tw, "etc/ssh/rl_host_key", 0, 0o600, keys.hostPEM),
		addFolder(tw, "root/.ssh/", 0),
		addFile(tw, "root/.ssh/authorized_keys", 0, 0o600, authorized),
		addFolder(tw, "home/tester/.ssh/", vmUID),
		addFile(tw, "home/tester/.ssh/authorized_keys", vmUID, 0o600, authorized),
		// An emulated systemd may need longer than 25 seconds for an answer.
		addFile(tw, "etc/environment", 0, 0o644, []byte("SYSTEMD_BUS_TIMEOUT=10min\n")),
		addProgram(tw),
		addImage(tw),
		// The unit tests of cgroup2: most need what only the virtual machine has,
		// delegation and a systemd that makes scopes.
		addBuilt(tw, filepath.Dir(path), "cgroup2.test", "test", "-c", "./cgroup2"),
		addBuilt(tw, filepath.Dir(path), "notifier", "build", "./integration/notifier"),
	)
	return errors.Join(err, tw.Close(), f.Close())
}

func addFolder(tw *tar.Writer, name string, uid int) error {
	return tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o700, Uid: uid, Gid: uid})
}

func addFile(tw *tar.Writer, name string, uid int, mode int64, data []byte) error {
	return writeEntry(tw, tar.Header{Name: name, Mode: mode, Uid: uid, Gid: uid}, string(data))
}

func addProgram(tw *tar.Writer) error {
	bin, err := Bin()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		return err
	}
	return addFile(tw, "usr/local/bin/rl", 0, 0o755, data)
}

// addImage adds a root file system, the real Alpine or one made from busybox.
func addImage(tw *tar.Writer) error {
	data, err := os.ReadFile(Archive("alpine-minirootfs-3.20.3-x86_64.tar.gz"))
	if err != nil {
		data, err = BusyboxRootfs()
	}
	if err != nil {
		return err
	}
	return addFile(tw, "srv/rootfs.tar", 0, 0o644, data)
}

// compile runs the go command, in the folder of the module, to make a program
// that needs no C library.
func compile(program, verb string, args ...string) error {
	cmd := exec.Command("go", append([]string{verb, "-o", program}, args...)...)
	cmd.Dir, cmd.Env = Root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// addBuilt adds a program that the machine runs.
func addBuilt(tw *tar.Writer, work, name, verb string, args ...string) error {
	program := filepath.Join(work, name)
	if err := compile(program, verb, args...); err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return addFile(tw, "usr/local/bin/"+name, 0, 0o755, data)
}
