package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

// configVar names the descriptor of root's configuration for registries, which
// lies where the user namespace's root may not look: it is copied into a file
// system in memory, which the process inside puts where it looks itself.
const configVar = "RL_CONFIG"

// explicitConfig are the variables that name a file to take instead.
var explicitConfig = []string{"CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"}

// configFolder is the person's own (containers-registries.conf(5)), "" for none.
func configFolder() string {
	config := os.Getenv("XDG_CONFIG_HOME")
	if config == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "containers")
}

// lendConfig returns root's configuration as said above for a process that has the
// given places, and the variables about it; nil for an ordinary user, and where
// there is none.
func (a *app) lendConfig(inside dirs.Dirs, fd int) (folder *os.File, env []string, err error) {
	if a.places.UID != 0 {
		return nil, nil, nil
	}
	found := map[string]string{} // what is to be copied, by its name there
	entries, _ := os.ReadDir(configFolder())
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "registries.") || e.Name() == "policy.json" || e.Name() == "certs.d" {
			found[e.Name()] = filepath.Join(configFolder(), e.Name())
		}
	}
	for _, name := range explicitConfig {
		if path := os.Getenv(name); path != "" {
			found[name] = path
			env = append(env, name+"="+filepath.Join(inside.Config(), name))
		}
	}
	if len(found) == 0 {
		return nil, nil, nil
	}
	if folder, err = memoryFolder(); err != nil {
		return nil, nil, err
	}
	for name, path := range found {
		if err := copyConfig(path, filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), name), configDepth); err != nil {
			folder.Close()
			return nil, nil, err
		}
	}
	return folder, append(env, configVar+"="+strconv.Itoa(fd)), nil
}

// configDepth is that of certs.d/HOST/ca.crt. A link can lead round in a circle.
const configDepth = 3

// copyConfig copies a file or folder so that everybody may read it who has it.
func copyConfig(from, to string, depth int) error {
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) || depth == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(to, text, 0o644), os.Chmod(to, 0o644))
	}
	entries, err := os.ReadDir(from)
	if err := errors.Join(err, os.Mkdir(to, 0o755), os.Chmod(to, 0o755)); err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyConfig(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// memoryFolder makes a folder in memory that exists while somebody has it open,
// or mounted. Only real root can make it.
func memoryFolder() (*os.File, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	if err := errors.Join(unix.FsconfigSetString(fs, "mode", "0755"), unix.FsconfigCreate(fs)); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(fd), "configuration"), nil
}
