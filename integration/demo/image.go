package main

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rl-project/rl/integration"
)

// image is what the demo runs: its name, a command that tells where it is, and
// one that takes memory without end.
type image struct {
	name       string
	tell, grow []string
}

// made is the name of the image made where no registry answers.
const made = "rl-demo"

// where is the command that tells where a container is. Without a delegated
// memory controller rl watches the limit from outside and there is no file.
const where = `. /etc/os-release; echo "in $PRETTY_NAME on $(hostname), process $$, user $(id -un)"
cat /sys/fs/cgroup/memory.max 2>/dev/null || echo "the memory limit is kept from outside"`

func withShell(name string) image {
	return image{name, []string{"sh", "-c", where}, []string{"tail", "/dev/zero"}}
}

func (d *demo) image() (image, error) {
	if err := hubAnswers(); err == nil {
		if err := d.show(0, "pull", "alpine"); err == nil {
			return withShell("alpine"), nil
		}
		say("Docker Hub answers, but alpine could not be pulled.")
	} else {
		say("Docker Hub does not answer here.")
	}
	if rootfs, err := integration.BusyboxRootfs(); err == nil {
		say("Making the image " + made + " from this machine's busybox instead.")
		return withShell(made), d.feed(bytes.NewReader(rootfs), "import", "-", made)
	}
	say("There is no static busybox either (apt-get install busybox-static): making the image " + made + " from a small Go program.")
	rootfs, err := programRootfs()
	if err != nil {
		return image{}, err
	}
	return image{made, []string{"/tell"}, []string{"/tell", "grow"}}, d.feed(bytes.NewReader(rootfs), "import", "-", made)
}

// hubAnswers asks Docker Hub for its greeting. Any answer will do; without a
// network there is none, and the demo should not wait for it.
func hubAnswers() error {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get("https://registry-1.docker.io/v2/")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

//go:embed tell.go.txt
var tellSource []byte

// programRootfs is a tar archive with one static program, built on the spot.
func programRootfs() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rl-demo")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, program := filepath.Join(dir, "tell.go"), filepath.Join(dir, "tell")
	if err := os.WriteFile(source, tellSource, 0o600); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", program, source)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Name: "tell", Mode: 0o755, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := tw.Write(data); err != nil {
		return nil, err
	}
	return buf.Bytes(), tw.Close()
}
