package integration

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// blobOf is how OCI names a blob.
type blobOf struct {
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int               `json:"size"`
	Platform  map[string]string `json:"platform,omitempty"`
}

// layout is a folder with images in the OCI layout.
type layout struct {
	t   testing.TB
	dir string
}

func newLayout(t testing.TB) layout {
	t.Helper()
	l := layout{t, t.TempDir()}
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

func (l layout) write(name string, content []byte) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), content, 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l layout) blob(mediaType string, content []byte) blobOf {
	l.t.Helper()
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	l.write("blobs/sha256/"+sum, content)
	return blobOf{MediaType: "application/vnd.oci.image." + mediaType, Digest: "sha256:" + sum, Size: len(content)}
}

func (l layout) json(mediaType string, value any) blobOf {
	l.t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.blob(mediaType, data)
}

// image adds an image with layers that do not compress, of size bytes each.
func (l layout) image(arch string, layers, size int) (manifest blobOf, blobs []blobOf) {
	l.t.Helper()
	var ids []string
	for i := range layers {
		b := l.blob("layer.v1.tar", randomLayer(l.t, fmt.Sprintf("layer%d", i), size))
		blobs, ids = append(blobs, b), append(ids, b.Digest)
	}
	config := l.json("config.v1+json", map[string]any{
		"architecture": arch, "os": "linux", "config": map[string]any{"Cmd": []string{"x"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	manifest = l.json("manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": blobs,
	})
	manifest.Platform = map[string]string{"architecture": arch, "os": "linux"}
	return manifest, blobs
}

// index makes manifests the content of the layout and returns its skopeo name.
func (l layout) index(manifests ...blobOf) string {
	l.t.Helper()
	top := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
	if len(manifests) > 1 {
		top["manifests"] = []blobOf{l.json("index.v1+json", top)}
	}
	data, err := json.Marshal(top)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("index.json", data)
	return "oci:" + l.dir
}

func randomLayer(t testing.TB, name string, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := writeEntry(w, tar.Header{Name: name, Mode: 0o644}, string(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gate stands before a registry, counts what is asked for, and holds back what
// a test wants to be late.
type gate struct {
	Addr string

	mu    sync.Mutex
	asked map[string]int           // GETs by the end of their path
	held  map[string]chan struct{} // closed when such a GET has begun
	open  chan struct{}
	check func(*http.Request) int // a status to answer with, 0 to go on
}

func newGate(t testing.TB, registry string, held ...string) *gate {
	t.Helper()
	target, err := url.Parse("http://" + registry)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{asked: map[string]int{}, held: map[string]chan struct{}{}, open: make(chan struct{})}
	for _, h := range held {
		g.held[h] = make(chan struct{})
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.check != nil {
			if status := g.check(r); status != 0 {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, status)
				return
			}
		}
		g.pass(r)
		proxy.ServeHTTP(w, r)
	}))
	g.Addr = strings.TrimPrefix(server.URL, "http://")
	t.Cleanup(func() { g.release(); server.Close() })
	return g
}

// pass counts a request and waits if it is to be held.
func (g *gate) pass(r *http.Request) {
	if r.Method != http.MethodGet {
		return
	}
	name := filepath.Base(r.URL.Path)
	g.mu.Lock()
	g.asked[name]++
	held, ok := g.held[name]
	if ok && g.asked[name] == 1 {
		close(held)
	}
	open := g.open
	g.mu.Unlock()
	if ok {
		select {
		case <-open:
		case <-r.Context().Done():
		}
	}
}

// release lets everything through from now on.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

func (g *gate) count(digest string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[digest]
}

func TestPull(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	amd, blobs := l.image("amd64", 3, 1000)
	arm, _ := l.image("arm64", 1, 1000)
	skopeo(t, "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false", l.index(amd, arm), "docker://"+registry.Addr+"/multi:1")
	eachFresh(t, func(t *testing.T, e *Env) {
		name := registry.Addr + "/multi:1"
		r := e.Run(t, "pull", "--platform", "linux/amd64", name).Exits(t, 0)
		for _, want := range []string{"1: Pulling from multi\n", "\nDigest: sha256:", "\nStatus: Downloaded newer image for " + name + "\n" + name + "\n"} {
			if !strings.Contains(r.Out, want) {
				t.Errorf("lacks %q: %s", want, r)
			}
		}
		for _, b := range blobs {
			if line := b.Digest[7:19] + ": Pull complete\n"; strings.Count(r.Out, line) != 1 {
				t.Errorf("lacks %q: %s", line, r)
			}
		}
		if strings.Contains(r.Out, "\x1b") {
			t.Errorf("drawings without a terminal: %s", r)
		}
		e.Want(t, "amd64", "image", "inspect", "-f", "{{.Architecture}}", name)
		e.Want(t, "image pull "+name+" "+registry.Addr+"/multi "+name,
			"events", "--until", "now", "--filter", "event=pull", "--format", "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.ID}}")
		if r := e.Run(t, "pull", "--platform", "linux/amd64", name); !strings.Contains(r.OK(t), "Status: Image is up to date") {
			t.Error(r)
		}
		e.Want(t, name, "pull", "-q", "--platform", "linux/arm64", name)
		e.Want(t, "arm64", "image", "inspect", "-f", "{{.Architecture}}", name)
		byDigest := registry.Addr + "/multi@" + amd.Digest
		e.Want(t, byDigest, "pull", "-q", byDigest)
		e.Want(t, "amd64", "image", "inspect", "-f", "{{.Architecture}}", byDigest)
		e.Want(t, name, "pull", "-q", "-a", registry.Addr+"/multi")
		e.Run(t, "pull", "--platform", "linux/s390x", name).Exits(t, 1).Says(t, "s390x")
	})
}

func TestPullOnATerminal(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, blobs := l.image("amd64", 2, 1000)
	registry.Push(t, l.index(manifest), "image:1")
	e := Fresh(t, Ordinary)
	r := e.Cmd("pull", registry.Addr+"/image:1").Terminal(t).Wait(t).Exits(t, 0)
	for _, b := range blobs {
		if !strings.Contains(r.Out, "\x1b[2K"+b.Digest[7:19]+": Pull complete") {
			t.Errorf("layer %s is not drawn: %q", b.Digest, r.Out)
		}
	}
}

func TestPullErrors(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, blobs := l.image("amd64", 2, 100_000)
	registry.Push(t, l.index(manifest), "image:1")
	sum := strings.TrimPrefix(blobs[1].Digest, "sha256:")
	data := filepath.Join(registry.Dir, "docker/registry/v2/blobs/sha256", sum[:2], sum, "data")
	damaged, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	damaged[50_000] ^= 1
	if err := os.WriteFile(data, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := freeAddr(t)
	eachFresh(t, func(t *testing.T, e *Env) {
		for _, c := range []struct{ ref, says string }{
			{registry.Addr + "/nothing", "no such image"},
			{registry.Addr + "/image:2", "no such image"},
			{registry.Addr + "/image@sha256:" + strings.Repeat("0", 64), "no such image"},
			{nobody + "/image:1", "cannot be reached"},
			{"registry.invalid/image", "cannot be reached"},
			{registry.Addr + "/image:1", "damaged"},
		} {
			r := e.Run(t, "pull", "-q", c.ref).Exits(t, 1).Says(t, c.says)
			if strings.Count(r.Err, "\n") != 1 || len(r.Err) > 600 {
				t.Errorf("want one line: %s", r)
			}
		}
		e.Want(t, "", "images", "-q")
	})
}

// store is the folder of the image store.
func (e *Env) store() string {
	if e.Account.Root() {
		return filepath.Join(e.Data(), "storage")
	}
	return filepath.Join(e.Home, ".local/share/containers/storage")
}

// storeFiles lists what the image store and the temporary folder hold.
func storeFiles(t testing.TB, e *Env) []string {
	t.Helper()
	store := e.store()
	var found []string
	for _, pattern := range []string{
		store + "/overlay/*", store + "/overlay/l/*", store + "/overlay-images/*", store + "/overlay-layers/*",
		store + "/overlay/tempdirs/*/*", store + "/overlay/staging/*", e.Data() + "/tmp/*",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			base := filepath.Base(n)
			if !slices.Contains([]string{"l", "images.json", "layers.json", "images.lock", "layers.lock", ".has-mount-program", "tempdirs", "staging", "tmp", "staging.lock"}, base) {
				found = append(found, n)
			}
		}
	}
	return found
}

// TestPullContinues kills a pull when all but its last layer have come, and
// checks that nothing is there to be seen, that the next pull asks for the last
// layer only, and that with the image everything goes.
func TestPullContinues(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, blobs := l.image("amd64", 4, 100_000)
	registry.Push(t, l.index(manifest), "image:1")
	last := blobs[3].Digest
	for name, signal := range map[string]unix.Signal{"killed": unix.SIGKILL, "interrupted": unix.SIGINT} {
		t.Run(name, func(t *testing.T) {
			e := Fresh(t, Ordinary)
			g := newGate(t, registry.Addr, last)
			ref := g.Addr + "/image:1"
			p := e.Cmd("pull", ref).Start(t)
			<-g.held[last]
			WaitLayers(t, e, 3)
			for _, process := range e.Processes() {
				if process.Ours && slices.Contains(process.Args, "pull") {
					unix.Kill(process.PID, signal)
				}
			}
			if r := p.Wait(t); r.Code == 0 {
				t.Fatalf("it was not to end well: %s", r)
			}
			e.Want(t, "", "images", "-q")
			g.release()
			e.OK(t, "pull", ref)
			for i, b := range blobs {
				if n := g.count(b.Digest); n != 1+i/3 {
					t.Errorf("layer %d was asked for %d times", i, n)
				}
			}
			e.OK(t, "rmi", ref)
			if left := storeFiles(t, e); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// WaitLayers waits until the image store has a number of layers.
func WaitLayers(t testing.TB, e *Env, n int) {
	t.Helper()
	list := filepath.Join(e.Home, ".local/share/containers/storage/overlay-layers/layers.json")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(list), unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	for {
		var layers []struct{ Flags map[string]any }
		data, err := os.ReadFile(list)
		if err == nil {
			err = json.Unmarshal(data, &layers)
		}
		whole := slices.DeleteFunc(layers, func(l struct{ Flags map[string]any }) bool { return l.Flags["incomplete"] != nil })
		if err == nil && len(whole) >= n {
			return
		}
		if ready, err := poll(fd, patience); err != nil || !ready {
			t.Fatalf("%d layers after %v, not %d: %v", len(whole), patience, n, err)
		}
		unix.Read(fd, make([]byte, 4096))
	}
}

// TestPullKilledAnywhere kills pulls at many moments; the last one must find a
// store in order.
func TestPullKilledAnywhere(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, blobs := l.image("amd64", 4, 2_000_000)
	registry.Push(t, l.index(manifest), "image:1")
	e := Fresh(t, Ordinary)
	ref := registry.Addr + "/image:1"
	moments := []string{"1: Pulling"}
	for _, b := range blobs {
		moments = append(moments, b.Digest[7:19]+": Pulling fs layer", b.Digest[7:19]+": Pull complete")
	}
	for _, moment := range moments {
		p := e.Cmd("pull", ref).Start(t)
		// A layer that is there already is not pulled again.
		got, _ := p.out.expect(moment)
		if !strings.Contains(got, moment) {
			p.Wait(t).Exits(t, 0)
			e.OK(t, "rmi", ref)
			continue
		}
		for _, process := range e.Processes() {
			unix.Kill(process.PID, unix.SIGKILL)
		}
		p.Wait(t)
		e.OK(t, "images")
	}
	e.OK(t, "pull", ref)
	e.OK(t, "rmi", ref)
	if left := storeFiles(t, e); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestPullsAtOnce pulls one image from several processes.
func TestPullsAtOnce(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, _ := l.image("amd64", 3, 100_000)
	registry.Push(t, l.index(manifest), "image:1")
	e := Fresh(t, Ordinary)
	ref := registry.Addr + "/image:1"
	var all []*Proc
	for range 4 {
		all = append(all, e.Cmd("pull", "-q", ref).Start(t))
	}
	for _, p := range all {
		p.Wait(t).Exits(t, 0)
	}
	e.OK(t, "rmi", ref)
	if left := storeFiles(t, e); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// config writes a file below ~/.config/containers.
func (e *Env) config(t testing.TB, name, content string) {
	t.Helper()
	dir := filepath.Join(e.Home, ".config")
	for _, d := range []string{dir, filepath.Join(dir, "containers")} {
		if err := os.Mkdir(d, 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		e.own(t, d)
	}
	e.File(t, ".config/containers/"+name, content)
}

// TestPlainNameThroughMirror pulls a plain name, which is Docker Hub's, from the
// mirror that registries.conf names.
func TestPlainNameThroughMirror(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, _ := l.image("amd64", 1, 1000)
	registry.Push(t, l.index(manifest), "library/plain:latest")
	eachFresh(t, func(t *testing.T, e *Env) {
		e.config(t, "registries.conf", fmt.Sprintf("[[registry]]\nprefix=\"docker.io\"\nlocation=\"docker.io\"\n[[registry.mirror]]\nlocation=%q\ninsecure=true\n", registry.Addr))
		e.Want(t, "docker.io/library/plain:latest", "pull", "-q", "plain")
		e.Want(t, "plain:latest", "images", "--format", "{{.Repository}}:{{.Tag}}")
		// The image is found without the registry from here on.
		e.OK(t, "resolve", "--pull", "never", "plain")
	})
}

// TestNamedRegistriesFile reads a configuration that a variable names, from a
// folder that is closed to everybody else.
func TestNamedRegistriesFile(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, _ := l.image("amd64", 1, 1000)
	registry.Push(t, l.index(manifest), "library/plain:latest")
	eachFresh(t, func(t *testing.T, e *Env) {
		dir := filepath.Join(e.Home, "closed")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		e.own(t, dir)
		e.File(t, "closed/mine.conf", fmt.Sprintf("[[registry]]\nprefix=\"docker.io\"\nlocation=%q\ninsecure=true\n", registry.Addr))
		for _, variable := range []string{"CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"} {
			pull := e.Cmd("pull", "-q", "plain").Set("XDG_CONFIG_HOME=" + dir).Set(variable + "=" + dir + "/mine.conf").Run(t)
			pull.Exits(t, 0)
			e.OK(t, "rmi", "plain")
		}
	})
}

// TestCredentials asks a registry that wants a password.
func TestCredentials(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, _ := l.image("amd64", 1, 1000)
	registry.Push(t, l.index(manifest), "secret:1")
	g := newGate(t, registry.Addr)
	g.check = func(r *http.Request) int {
		if user, password, ok := r.BasicAuth(); ok && user == "me" && password == "pass" {
			return 0
		}
		return http.StatusUnauthorized
	}
	eachFresh(t, func(t *testing.T, e *Env) {
		ref := g.Addr + "/secret:1"
		e.Run(t, "pull", "-q", ref).Exits(t, 1).Says(t, "needs credentials")
		docker := filepath.Join(e.Home, ".docker")
		if err := os.Mkdir(docker, 0o700); err != nil {
			t.Fatal(err)
		}
		e.own(t, docker)
		e.File(t, ".docker/config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, g.Addr, base64.StdEncoding.EncodeToString([]byte("me:pass"))))
		e.Want(t, ref, "pull", "-q", ref)
	})
}

// TestPolicy forbids all images but those of one registry.
func TestPolicy(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	l := newLayout(t)
	manifest, _ := l.image("amd64", 1, 1000)
	registry.Push(t, l.index(manifest), "allowed:1")
	registry.Push(t, l.index(manifest), "other:1")
	eachFresh(t, func(t *testing.T, e *Env) {
		e.config(t, "policy.json", fmt.Sprintf(`{"default":[{"type":"reject"}],"transports":{"docker":{"%s/allowed":[{"type":"insecureAcceptAnything"}]}}}`, registry.Addr))
		e.OK(t, "pull", registry.Addr+"/allowed:1")
		e.Run(t, "pull", registry.Addr+"/other:1").Exits(t, 1).Says(t, "rejected")
	})
}

// TestRunPulls runs images that are not there yet.
func TestRunPulls(t *testing.T) {
	Need(t, DockerRegistry, Skopeo, RealImages)
	registry := StartRegistry(t)
	registry.Push(t, "oci-archive:"+Archive("alpine-3.20.3.tar"), "alpine:1")
	eachFresh(t, func(t *testing.T, e *Env) {
		ref := registry.Addr + "/alpine:1"
		run := func(more ...string) Result {
			return e.Run(t, slices.Concat([]string{"run", "--rm", "--network", "none"}, more, []string{ref, "echo", "ran"})...)
		}
		run("--pull", "never").Exits(t, 125).Says(t, "no such image")
		if r := run().Says(t, "Unable to find image '"+ref+"' locally", "1: Pulling from alpine", "Pull complete", "Status: Downloaded newer image for "+ref); r.OK(t) != "ran" {
			t.Error(r)
		}
		if r := run(); r.OK(t) != "ran" || r.Err != "" {
			t.Error(r)
		}
		if r := run("--pull", "always").Says(t, "Status: Image is up to date for "+ref); r.OK(t) != "ran" {
			t.Error(r)
		}
		e.Run(t, "run", "--rm", registry.Addr+"/nothing", "true").Exits(t, 125).
			Says(t, "no such image", "Unable to find image '"+registry.Addr+"/nothing:latest' locally", "latest: Pulling from nothing")
	})
}
