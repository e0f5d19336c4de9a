package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heavy are packages that the small program must not link, with the reason.
// They belong into the full program, which it carries.
var heavy = map[string]string{
	"go.podman.io/image":                                      "the image copier makes the start of every command some milliseconds longer",
	"go.podman.io/storage":                                    "containers/storage brings archive and compression packages with expensive inits",
	"gvisor.dev/gvisor":                                       "the built-in network is as large as the rest of rl and would be resident in every monitor",
	"github.com/containers/gvisor-tap-vsock":                  "it links gvisor",
	"github.com/google/gopacket":                              "the init of its layers takes 3.6 ms",
	"github.com/mattn/go-runewidth":                           "some of its versions spend 20 ms in their init",
	"github.com/docker/docker":                                "the Docker client brings HTTP, tracing and their inits",
	"github.com/docker/cli":                                   "the Docker client brings HTTP, tracing and their inits",
	"github.com/moby/buildkit":                                "Dockerfiles are read by the full program",
	"github.com/klauspost/compress":                           "layers are unpacked by the full program",
	"google.golang.org/grpc":                                  "nothing here speaks gRPC",
	"github.com/golang/protobuf":                              "it registers types in its inits",
	"google.golang.org/protobuf":                              "it registers types in its inits",
	"github.com/opencontainers/selinux":                       "it reads the machine's configuration when asked for a label",
	"tags.cncf.io/container-device-interface":                 "it brings a YAML parser; few containers have a device that a CDI file describes",
	"github.com/rootless-containers/rootlesskit/v3/pkg/child": "it re-executes the program; userns enters the namespace",
}

func TestLightProgramStaysLight(t *testing.T) {
	carryNothing(t)
	for _, pkg := range goList(t, "-deps", "-tags="+tags+",split", "./cmd/rl") {
		for prefix, why := range heavy {
			if pkg.ImportPath == prefix || strings.HasPrefix(pkg.ImportPath, prefix+"/") {
				t.Errorf("the small program links %s: %s", pkg.ImportPath, why)
			}
		}
	}
}

// What checks the YAML for Kubernetes is for tests: not even the full program has it.
func TestNoProgramLinksKubernetes(t *testing.T) {
	for _, pkg := range goList(t, "-deps", "-tags="+tags, "./cmd/rl") {
		if strings.HasPrefix(pkg.ImportPath, "k8s.io/") || strings.HasPrefix(pkg.ImportPath, "sigs.k8s.io/") {
			t.Errorf("the program links %s", pkg.ImportPath)
		}
	}
}

// carryNothing sees that there are files to embed, which `go list` demands.
func carryNothing(t *testing.T) {
	t.Helper()
	dir := filepath.Join("..", "..", "cmd", "rl", "carried")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rl-full", "rl-full.sum"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}
