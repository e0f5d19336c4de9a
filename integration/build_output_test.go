package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layered is a Dockerfile whose steps hide and bring back what others made.
const layered = `FROM alpine:3.20
RUN echo a >/a && mkdir -p /d/e && echo x >/d/x && ln /a /hard && chown 3:4 /a && chmod 4750 /a
RUN rm /d/x && echo b >/b && rm /etc/motd
RUN rm -rf /d && mkdir -m 700 /d && echo y >/d/y && ln -s y /d/link
CMD ["cat", "/d/y"]
`

func TestBuildOutputs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir, to := e.context(t, map[string]string{"Dockerfile": layered}), e.Folder(t)
		in := func(name string) string { return filepath.Join(to, name) }
		name := e.Name(t) + ":1"
		e.OK(t, "build", "-t", name, "-o", in("files"), "-o", "type=tar,dest="+in("files.tar"),
			"-o", "type=oci,dest="+in("oci.tar"), "-o", "type=docker,dest="+in("docker.tar"), dir)
		e.Run(t, "image", "inspect", name).Exits(t, 1) // nothing was stored
		if y, err := os.ReadFile(in("files/d/link")); err != nil || string(y) != "y\n" {
			t.Errorf("got %q, %v", y, err)
		}
		listed := filesIn(t, in("files.tar"))
		if !slices.Contains(listed, "urwxr-x--- 3 4 a") || slices.ContainsFunc(listed, func(l string) bool { return strings.HasSuffix(l, " d/x") || strings.Contains(l, ".wh.") }) {
			t.Errorf("got %.300q", listed)
		}
		id := e.built(t, dir, "-t", name)
		for _, archive := range []string{"oci.tar", "docker.tar"} {
			e.OK(t, "rmi", "-f", name)
			e.Want(t, "Loaded image: "+name, "load", "-i", in(archive))
			e.Want(t, id, "image", "inspect", "-f", "{{.Id}}", name)
		}
		e.Want(t, "y", "run", "--rm", name)
		r := e.Run(t, "build", "-q", "-o", "-", dir).Exits(t, 0)
		if names := filesOf(t, strings.NewReader(r.Out)); !slices.Equal(names, listed) {
			t.Errorf("on standard output %q", names)
		}
		e.OK(t, "rmi", name)
	})
}

// What --metadata-file says of an image is what there is to be found of it; of plain
// files it says nothing.
func TestBuildMetadata(t *testing.T) {
	e := AsUser(t)
	dir, to := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM scratch\nCOPY f /\n"}), e.Folder(t)
	file := filepath.Join(to, "about.json")
	type metadata struct {
		Config     string `json:"containerimage.config.digest"`
		Digest     string `json:"containerimage.digest"`
		Names      string `json:"image.name"`
		Descriptor struct {
			MediaType, Digest string
			Size              int64
			Platform          struct{ Architecture, OS string }
			Annotations       map[string]string
		} `json:"containerimage.descriptor"`
	}
	build := func(args ...string) (about metadata, text string) {
		t.Helper()
		args = append([]string{"build", "--platform", "linux/arm64", "--build-arg", "SOURCE_DATE_EPOCH=60", "--metadata-file", file}, args...)
		e.Run(t, append(args, dir)...).Exits(t, 0)
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &about)
		}
		if err != nil {
			t.Fatal(err)
		}
		return about, string(data)
	}
	stored, _ := build("-t", "about:1", "-t", "about:2")
	d := stored.Descriptor
	if d.MediaType != "application/vnd.oci.image.manifest.v1+json" || d.Digest != stored.Digest || d.Platform.Architecture != "arm64" ||
		d.Platform.OS != "linux" || d.Annotations["org.opencontainers.image.created"] != "1970-01-01T00:01:00Z" {
		t.Errorf("the descriptor is %+v", d)
	}
	if stored.Names != "docker.io/library/about:1,docker.io/library/about:2" {
		t.Errorf("the names are %q", stored.Names)
	}
	e.Want(t, stored.Config+" ["+"about@"+stored.Digest+"]", "image", "inspect", "-f", "{{.Id}} {{.RepoDigests}}", "about:1")
	for _, kind := range []string{"oci", "docker"} {
		archive := filepath.Join(to, kind+".tar")
		about, _ := build("-o", "type="+kind+",name=about:3,dest="+archive)
		if about.Config != stored.Config || about.Digest != about.Descriptor.Digest || about.Names != "docker.io/library/about:3" {
			t.Errorf("%s: %+v", kind, about)
		}
		blob := e.Tool("tar", "-xOf", archive, "blobs/sha256/"+strings.TrimPrefix(about.Digest, "sha256:")).Run(t).Exits(t, 0).Out
		if int64(len(blob)) != about.Descriptor.Size || fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(blob))) != about.Digest {
			t.Errorf("%s: the manifest has %d bytes, and %+v is said of it", kind, len(blob), about.Descriptor)
		}
	}
	for _, kind := range []string{"local", "tar"} {
		if _, text := build("-t", "about:4", "-o", "type="+kind+",dest="+filepath.Join(to, "files-"+kind)); text != "{}" {
			t.Errorf("%s: %s", kind, text)
		}
	}
	e.OK(t, "rmi", "about:1", "about:2")
}

// filesIn lists an archive: mode, owner and name.
func filesIn(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return filesOf(t, bytes.NewReader(data))
}

func filesOf(t testing.TB, r io.Reader) (list []string) {
	t.Helper()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.Join([]string{h.FileInfo().Mode().String(), itoa(h.Uid), itoa(h.Gid), h.Name}, " "))
	}
}

func TestBuildSquash(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir, name := e.context(t, map[string]string{"Dockerfile": layered}), e.Name(t)
		look := func() string {
			return e.OK(t, "run", "--rm", name, "sh", "-c",
				"for t in 'f %h' 'l' 'd'; do find / -xdev -type ${t% *} ! -path '/etc/host*' ! -path /etc/resolv.conf -exec stat -c \"%A %u %g %N ${t#[fld]}\" {} + | sort; done | grep -v ' /usr\\| /lib'")
		}
		e.built(t, dir, "-t", name)
		want := look()
		e.built(t, dir, "-t", name, "--squash")
		if got := look(); got != want {
			t.Errorf("squashed it is\n%s\nand was\n%s", got, want)
		}
		e.Want(t, "2", "image", "inspect", "-f", "{{len .RootFS.Layers}}", name)
		if history := e.OK(t, "history", "--no-trunc", "--format", "{{.CreatedBy}}", name); !strings.Contains(history, "rm /etc/motd") {
			t.Errorf("the history is\n%s", history)
		}
		e.OK(t, "rmi", name)
	})
}

// What docker build writes of the same file.
const dockerConfig = `{"architecture":"amd64","config":{"ExposedPorts":{"80/tcp":{}},"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=b c"],` +
	`"Cmd":["/f"],"WorkingDir":"/","Labels":{"k":"v"},"ArgsEscaped":true},"created":"2001-09-09T01:46:40Z","history":[` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"ARG X=1","comment":"buildkit.dockerfile.v0","empty_layer":true},` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"ENV A=b c","comment":"buildkit.dockerfile.v0","empty_layer":true},` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"COPY f / # buildkit","comment":"buildkit.dockerfile.v0"},` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"EXPOSE [80/tcp]","comment":"buildkit.dockerfile.v0","empty_layer":true},` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"LABEL k=v","comment":"buildkit.dockerfile.v0","empty_layer":true},` +
	`{"created":"2001-09-09T01:46:40Z","created_by":"CMD [\"/f\"]","comment":"buildkit.dockerfile.v0","empty_layer":true}],` +
	`"os":"linux","rootfs":{"type":"layers","diff_ids":[`

func TestBuildConfigIsDockers(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM scratch\nARG X=1\nENV A=\"b c\"\nCOPY f /\nEXPOSE 80\nLABEL k=v\nCMD [\"/f\"]\n"})
	file := filepath.Join(e.Folder(t), "oci.tar")
	e.OK(t, "build", "--platform", "linux/amd64", "--build-arg", "SOURCE_DATE_EPOCH=1000000000", "-o", "type=oci,dest="+file, dir)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(dockerConfig)) {
		at := bytes.Index(data, []byte(`{"architecture"`))
		t.Errorf("the configuration begins with\n%.1200s", data[max(at, 0):])
	}
}

// Neither the time nor what is in the cache changes a reproducible image.
func TestBuildReproducedByOthers(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM alpine:3.20\nRUN echo x >/x\nCOPY f /\nWORKDIR /w\n"})
	e.built(t, dir) // its layers have the time of today
	to := e.Folder(t)
	var archives [2][]byte
	for i, more := range [][]string{{}, {"--no-cache"}} {
		file := filepath.Join(to, itoa(i))
		args := append(append([]string{"build"}, more...), "-o", "type=oci,dest="+file, dir)
		e.Cmd(args...).Set("SOURCE_DATE_EPOCH=1000000000").Run(t).OK(t)
		var err error
		if archives[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two builds gave different archives")
	}
}

func TestBuildBadOutputs(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n", "file": ""})
	for output, says := range map[string]string{
		"type=zip,dest=x":                 "not one of docker, image, local, oci, tar",
		"type=local":                      "name the folder",
		"type=tar,dest=/no/such/folder/x": "/no/such/folder",
		"type=tar,dest=" + dir:            "it is a folder",
		"type=image,dest=x":               "type=oci",
		"kind=tar":                        `"kind" is not one of`,
		filepath.Join(dir, "file"):        "want a folder",
		"type=oci,name=Upper,dest=" + filepath.Join(dir, "o"):  "Upper",
		"type=local,name=x,dest=" + filepath.Join(dir, "some"): "have no name",
	} {
		e.Run(t, "build", "-o", output, dir).Exits(t, 125).Says(t, says)
	}
	e.Run(t, "build", "-o", "-", "-o", "type=oci", dir).Exits(t, 125).Says(t, "only one output")
	if r := e.Cmd("build", "-o", "-", dir).Terminal(t); r != nil {
		r.Expect(t, "not written to a terminal")
	}
}

// An image of more layers than a container can be mounted of is not made.
func TestBuildTooManyLayers(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n" + strings.Repeat("COPY <<EOF /f\nf\nEOF\n", 128)})
	e.Run(t, "build", "-q", "-t", "layers", dir).Exits(t, 1).Says(t, "128 layers", "--squash")
	e.Run(t, "image", "inspect", "layers").Exits(t, 1)
	e.built(t, dir, "--squash", "-t", "layers")
}
