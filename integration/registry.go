package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Registry is a real image registry on the loopback interface, without TLS.
type Registry struct {
	// Addr is its host:port, the first part of image names in it.
	Addr string
	// Dir holds its blobs, below docker/registry/v2.
	Dir string
	log *capture
}

// StartRegistry starts an empty registry that ends with the test. The test
// must Need(DockerRegistry).
func StartRegistry(t testing.TB) *Registry {
	t.Helper()
	return startRegistry(t, "")
}

// startRegistry starts a registry with something added to its configuration.
func startRegistry(t testing.TB, more string) *Registry {
	t.Helper()
	r := &Registry{Addr: freeAddr(t), Dir: t.TempDir(), log: newCapture()}
	config := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\nhttp:\n  addr: %s\n%s", r.Dir, r.Addr, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := exec.CommandContext(ctx, "docker-registry", "serve", config)
	x.Stdout, x.Stderr = r.log, r.log
	if err := x.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); x.Wait() })
	if _, err := r.log.expect("listening on"); err != nil {
		t.Fatal(err)
	}
	return r
}

// Log is what the registry has written so far; it has a line per request.
func (r *Registry) Log() string { return r.log.String() }

// Push copies an image into the registry with skopeo. From is a skopeo name,
// such as oci-archive:PATH; name is NAME:TAG. The test must Need(Skopeo).
func (r *Registry) Push(t testing.TB, from, name string) {
	t.Helper()
	args := []string{"--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", from, "docker://" + r.Addr + "/" + name}
	if out, err := exec.Command("skopeo", args...).CombinedOutput(); err != nil {
		t.Fatalf("skopeo %q: %v: %s", args, err, out)
	}
}

// Digest asks the registry for the digest of an image.
func (r *Registry) Digest(t testing.TB, name, tag string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodHead, "http://"+r.Addr+"/v2/"+name+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("Accept", "application/vnd.oci.image.manifest.v1+json")
	req.Header.Add("Accept", "application/vnd.oci.image.index.v1+json")
	req.Header.Add("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Docker-Content-Digest")
}

// freeAddr is a loopback address that was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
