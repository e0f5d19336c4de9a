package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// debianPackages are the servers that Debian has, in one image for all of them:
// each of its own would take as long to make.
const debianPackages = "redis-server,redis-tools,nginx-light,postgresql-15"

// bootPackages make a Debian that is started by its init system.
const bootPackages = "systemd,systemd-sysv,dbus,libpam-systemd"

// debianSetup makes the folder for PostgreSQL's data and leaves out what only
// takes space. It is a shell script with the new system in $1.
const debianSetup = `chroot "$1" install -d -o postgres -g postgres -m 700 /data; ` + tidySetup

const tidySetup = `rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*`

// DebianImages means that images can be made of Debian's packages.
var DebianImages = Requirement{"images of Debian packages", func() error {
	return Program("mmdebstrap", "mmdebstrap").Check()
}}

// Clients of the servers in the Debian image.
var (
	RedisClient    = Program("redis-cli", "redis-tools")
	PostgresClient = Program("psql", "postgresql-client")
	Curl           = Program("curl", "curl")
)

// ImportDebian gives the Env an image with redis, nginx and PostgreSQL and
// returns its name. It is made once, in about a minute, and kept.
func (e *Env) ImportDebian(t testing.TB) string {
	t.Helper()
	return e.importDebian(t, "debian-servers", debianPackages, debianSetup)
}

// ImportSmallDebian gives the Env an image of Debian to build upon. It is the one
// that others boot: each of its own would take as long to make.
func (e *Env) ImportSmallDebian(t testing.TB) string {
	t.Helper()
	return e.importDebian(t, "debian-small", bootPackages, tidySetup)
}

func (e *Env) importDebian(t testing.TB, name, packages, setup string) string {
	t.Helper()
	Need(t, DebianImages)
	archive, err := debianArchive(packages, setup)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e.Cmd("import", "-", name).Stdin(f).Within(2 * patience).Run(t).OK(t)
	return name
}

// debianArchive is the path of a root file system with those packages, made
// where it is not there yet. The setup is a shell script with the system in $1.
func debianArchive(packages, setup string) (string, error) {
	return debianTar("--variant=minbase", "--include="+packages,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--customize-hook="+setup, "bookworm")
}

// debianTar keeps what mmdebstrap makes with those arguments.
func debianTar(arguments ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "rl-test-debian")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFolder(cache)
	if err != nil {
		return "", err
	}
	defer unlock()
	recipe := sha256.Sum256([]byte(strings.Join(arguments, " ")))
	path := filepath.Join(cache, fmt.Sprintf("%x.tar", recipe[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.Command("mmdebstrap", append([]string{"--format=tar", "--quiet"}, append(arguments, "-")...)...)
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	return path, writeOutput(cmd, path)
}

// writeOutput keeps what a command prints in a file, which is whole or not there.
func writeOutput(cmd *exec.Cmd, path string) error {
	out, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := errors.Join(cmd.Run(), out.Close()); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return os.Rename(out.Name(), path)
}

// Until runs a client again and again until it is served, and returns what it printed.
func Until(t testing.TB, client func() Result) string {
	t.Helper()
	var r Result
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if r = client(); r.Code == 0 {
			return r.OK(t)
		}
	}
	t.Fatalf("not served after %v: %s", patience, r)
	return ""
}
