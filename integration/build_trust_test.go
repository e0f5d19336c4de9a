package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// cacheLayout is the one image of an OCI layout, to be changed.
type cacheLayout struct {
	dir      string
	manifest ispec.Manifest
	config   map[string]json.RawMessage
}

func readJSON(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (l *cacheLayout) blob(d digest.Digest) string {
	return filepath.Join(l.dir, "blobs", string(d.Algorithm()), d.Encoded())
}

func openCacheLayout(t testing.TB, dir string) *cacheLayout {
	t.Helper()
	l := &cacheLayout{dir: dir}
	var index ispec.Index
	readJSON(t, filepath.Join(dir, "index.json"), &index)
	readJSON(t, l.blob(index.Manifests[0].Digest), &l.manifest)
	readJSON(t, l.blob(l.manifest.Config.Digest), &l.config)
	return l
}

// put writes a blob and returns what describes it.
func (l *cacheLayout) put(t testing.TB, kind string, value any) ispec.Descriptor {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	d := ispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := os.WriteFile(l.blob(d.Digest), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// save makes the layout one of the changed image, with digests that are right.
func (l *cacheLayout) save(t testing.TB) {
	t.Helper()
	l.manifest.Config = l.put(t, l.manifest.Config.MediaType, l.config)
	index := ispec.Index{Manifests: []ispec.Descriptor{l.put(t, ispec.MediaTypeImageManifest, l.manifest)}}
	index.SchemaVersion = 2
	data, err := json.Marshal(index)
	if err == nil {
		err = os.WriteFile(filepath.Join(l.dir, "index.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A cache elsewhere says under which keys its results are found. What it says becomes no
// path, and what is not what its digest says is not used.
func TestBuildCacheElsewhereIsHostile(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS made\nRUN echo x >/x\nFROM alpine:3.20\nCOPY --from=made /x /" + e.Name(t) + "\n"})
		folder := filepath.Join(e.Folder(t), "cache")
		e.built(t, dir, "--cache-to", "type=local,mode=max,dest="+folder)
		e.OK(t, "builder", "prune", "-f")
		l := openCacheLayout(t, folder)
		var also map[string]string
		if err := json.Unmarshal(l.config["rl.also"], &also); err != nil || len(also) != 1 {
			t.Fatalf("second keys: %q, %v", l.config["rl.also"], err)
		}
		for _, key := range also {
			for _, part := range []string{"rl.also", "rl.steps"} {
				l.config[part] = json.RawMessage(strings.ReplaceAll(string(l.config[part]), key, "../../victim"))
			}
		}
		l.save(t)
		from := []string{"build", "--progress=plain", "--cache-from", "type=local,src=" + folder, dir}
		e.Run(t, from...).Exits(t, 0).Says(t, "is no key of a step")
		if _, err := os.Lstat(filepath.Join(e.Data(), "victim")); err == nil {
			t.Error("a key of the cache led out of the folder of keys")
		}
		manifest := l.blob(l.put(t, ispec.MediaTypeImageManifest, l.manifest).Digest)
		data, err := os.ReadFile(manifest)
		if err == nil {
			err = os.WriteFile(manifest, append(data, ' '), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Run(t, from...).Exits(t, 0).Says(t, "its manifest is damaged")
	})
}

// What a bind mount shows of a stage has owners, which the RUN sees.
func TestBuildMountsOfOtherOwners(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": `FROM alpine:3.20 AS made
ARG OWNER
RUN touch /f && chown $OWNER /f
FROM alpine:3.20
RUN --mount=from=made,source=/f,target=/f stat -c %u /f >/owner
`})
	for _, owner := range []string{"1", "2"} {
		e.built(t, dir, "-t", "owners", "--build-arg", "OWNER="+owner)
		e.Want(t, owner, "run", "--rm", "owners", "cat", "/owner")
	}
}

// A RUN sees the context as it is: what somebody writes there meanwhile is not kept
// under the key of what was there before.
func TestBuildContextChangesMeanwhile(t *testing.T) {
	e := AsUser(t)
	shared := "--mount=type=cache,id=" + e.Name(t) + ",target=/shared"
	dir := e.context(t, map[string]string{"f": "1", "Dockerfile": "FROM alpine:3.20\nRUN " + shared + " --mount=target=/c echo waiting; until test -e /shared/go; do sleep 0.1; done; cat /c/f >/seen\n"})
	second := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN " + shared + " touch /shared/go\n"})
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	waits := e.Cmd("build", "--progress=plain", dir).Start(t)
	waits.ExpectErr(t, "waiting")
	write("2")
	e.built(t, second)
	waits.Wait(t).Exits(t, 0).Says(t, "changed meanwhile")
	write("1")
	e.built(t, dir, "-t", "meanwhile")
	e.Want(t, "1", "run", "--rm", "meanwhile", "cat", "/seen")
}
