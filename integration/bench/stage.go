package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/integration"
)

// stage is what the contenders work with: an installation of rl with an image
// and a running container, one of podman with the same, and the image unpacked
// for the runtimes that know no images. A second installation of rl takes what
// the first one sends.
type stage struct {
	rl, peers *integration.Env
	second    *integration.Env
	podman    bool   // installed and working here
	bundle    string // folder with config.json, its rootfs below
}

// idle is the name of the container that runs while others are measured.
const idle = "idle"

// published is an option for any free port, as two benchmarks may run at once.
const published = "127.0.0.1::80"

func newStage(account integration.Account) (*stage, error) {
	s := &stage{}
	var err error
	if s.rl, err = integration.NewEnv(account); err != nil {
		return nil, err
	}
	if s.peers, err = integration.NewEnv(account); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.second, err = integration.NewEnv(account); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) prepare() error {
	if err := s.rl.Preload(); err != nil {
		return err
	}
	if err := run(s.rl.Cmd("run", "-d", "--name", idle, "-p", published, integration.Image, "sleep", "100000")); err != nil {
		return err
	}
	if err := s.unpack(); err != nil {
		return err
	}
	if integration.Podman.Check() != nil {
		return nil
	}
	if err := s.preparePodman(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: without podman, which does not work here:", err)
		return nil
	}
	s.podman = true
	return nil
}

// unpack makes the bundle for crun, runc and bubblewrap.
func (s *stage) unpack() error {
	s.bundle = filepath.Join(s.peers.Home, "bundle")
	rootfs := filepath.Join(s.bundle, "rootfs")
	if err := run(s.peers.Tool("mkdir", "-p", rootfs)); err != nil {
		return err
	}
	tar := s.peers.Tool("tar", "-x", "-C", rootfs)
	if alpine, err := os.Open(integration.Archive("alpine-minirootfs-3.20.3-x86_64.tar.gz")); err == nil {
		defer alpine.Close()
		return run(s.peers.Tool("tar", "-xz", "-C", rootfs).Stdin(alpine))
	}
	made, err := integration.BusyboxRootfs()
	if err != nil {
		return err
	}
	return run(tar.Stdin(bytes.NewReader(made)))
}

// preparePodman loads the same files as an image and starts the idle
// container. Podman would choose the vfs driver in a new home.
func (s *stage) preparePodman() error {
	conf := filepath.Join(s.peers.Home, ".config", "containers")
	if err := run(s.peers.Tool("mkdir", "-p", conf)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(conf, "storage.conf"), []byte("[storage]\ndriver = \"overlay\"\n"), 0o644); err != nil {
		return err
	}
	if err := run(s.peers.Tool("sh", "-c", "tar -c -C "+s.bundle+"/rootfs . | podman import -q - "+integration.Image)); err != nil {
		return err
	}
	return run(s.peers.Tool("podman", "run", "-d", "--name", idle, "-p", published, integration.Image, "sleep", "100000"))
}

func (s *stage) close() error {
	var err error
	if s.podman {
		// By itself it would give each container ten seconds to end.
		err = run(s.peers.Tool("sh", "-c", "podman rm -f -a -t 0 && podman system reset -f"))
	}
	for _, e := range []*integration.Env{s.rl, s.peers, s.second} {
		if e != nil {
			e.Close()
		}
	}
	return err
}

// run runs a command that prepares something; it must end with 0.
func run(c *integration.Cmd) error {
	r, err := c.Do()
	if err == nil && r.Code != 0 {
		err = errors.New("it failed")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, r)
	}
	return nil
}

// writeConfig makes the bundle's config.json from what the runtime's own
// `spec --rootless` gives: without a terminal, with root's files writable, a
// cgroup namespace, and all of the user's ids, as rl and podman have them.
func (s *stage) writeConfig(runtime string) (string, error) {
	dir := s.bundle + "-" + runtime
	if err := run(s.peers.Tool("sh", "-c", "mkdir -p "+dir+" && cd "+dir+" && rm -f config.json && "+runtime+" spec --rootless")); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	config, err := adapt(data, filepath.Join(s.bundle, "rootfs"), s.idMaps())
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return dir, os.WriteFile(path, config, 0o644)
}

type object = map[string]any

func adapt(data []byte, rootfs string, maps []object) ([]byte, error) {
	var c struct {
		Version  string `json:"ociVersion"`
		Process  object `json:"process"`
		Root     object `json:"root"`
		Hostname string `json:"hostname"`
		Mounts   []any  `json:"mounts"`
		Linux    object `json:"linux"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	c.Process["terminal"] = false
	c.Process["args"] = []string{"true"}
	c.Root["path"], c.Root["readonly"] = rootfs, false
	c.Linux["uidMappings"], c.Linux["gidMappings"] = maps, maps
	namespaces := []object{}
	for _, t := range []string{"user", "mount", "pid", "uts", "ipc", "network", "cgroup"} {
		namespaces = append(namespaces, object{"type": t})
	}
	c.Linux["namespaces"] = namespaces
	return json.Marshal(c)
}

// idMaps are the ids of the account: its own as 0, then its first range of
// /etc/subuid.
func (s *stage) idMaps() []object {
	a := s.peers.Account
	maps := []object{{"containerID": 0, "hostID": a.UID, "size": 1}}
	text, err := os.ReadFile("/etc/subuid")
	if err != nil {
		return maps
	}
	for line := range strings.Lines(string(text)) {
		var first, size int
		rest, ok := strings.CutPrefix(line, a.Name+":")
		if !ok {
			continue
		}
		if _, err := fmt.Sscanf(rest, "%d:%d", &first, &size); err == nil {
			return append(maps, object{"containerID": 1, "hostID": first, "size": size})
		}
	}
	return maps
}
