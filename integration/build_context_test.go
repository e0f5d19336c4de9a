package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tarOf makes an archive of files.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := h.PAXRecords["content"]
		h.PAXRecords = nil
		h.Size = int64(len(content))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func textFile(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"content": content}}
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const catFile = "FROM alpine:3.20\nCOPY . /c/\nRUN cat /c/f; ls /c\n"

func TestBuildContextFromInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		archive := tarOf(t, textFile("Dockerfile", catFile), textFile("other/Mine", catFile+"RUN echo mine\n"), textFile("f", "from a tar "),
			textFile("skip", ""), textFile(".dockerignore", "skip\n"))
		for name, input := range map[string][]byte{"plain": archive, "gzip": gzipped(t, archive)} {
			r := e.Cmd("build", "--no-cache", "--progress=plain", "-").Stdin(bytes.NewReader(input)).Run(t).Exits(t, 0).Says(t, "from a tar ")
			if strings.Contains(r.Err, " skip\n") {
				t.Errorf("%s: .dockerignore was not read: %s", name, r)
			}
		}
		e.Cmd("build", "--no-cache", "--progress=plain", "-f", "other/Mine", "-").Stdin(bytes.NewReader(archive)).Run(t).Exits(t, 0).Says(t, " mine\n")
		e.Cmd("build", "--no-cache", "--progress=plain", "-").Input("FROM alpine:3.20\nRUN echo alone\n").Run(t).Exits(t, 0).Says(t, " alone\n")
		dir := e.context(t, map[string]string{"f": "from a folder "})
		e.Cmd("build", "--no-cache", "--progress=plain", "-f", "-", dir).Input(catFile).Run(t).Exits(t, 0).Says(t, "from a folder ")
		for _, c := range []struct {
			args  []string
			input []byte
			says  string
		}{
			{[]string{"-f", "-", "-"}, archive, "both the context and the Dockerfile"},
			{[]string{"-f", "x", "-"}, []byte("FROM scratch\n"), "a Dockerfile itself"},
			{[]string{"-f", "../../etc/passwd", "-"}, archive, "the Dockerfile"},
			{[]string{"-"}, tarOf(t, textFile("f", "")), "Dockerfile"},
			{[]string{"-"}, nil, "is empty"},
			{[]string{"-"}, archive[:530], "archive"},
			{[]string{"-"}, tarOf(t, textFile("../out", "x")), "leads out of it"},
			{[]string{"-"}, tarOf(t, tar.Header{Name: "d", Typeflag: tar.TypeChar}), "device"},
		} {
			r := e.Cmd(append([]string{"build"}, c.args...)...).Stdin(bytes.NewReader(c.input)).Run(t).Says(t, c.says)
			if r.Code != 125 && c.input != nil {
				t.Errorf("%q ended with %d", c.args, r.Code)
			}
		}
		if left, err := filepath.Glob(filepath.Join(e.Data(), "tmp", "build-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	})
}

// TestBuildArchivesStayInside gives ADD and the context archives that reach out.
func TestBuildArchivesStayInside(t *testing.T) {
	e := AsUser(t)
	outside := filepath.Join(e.Folder(t), "outside")
	for name, archive := range map[string][]byte{
		"dots":     tarOf(t, textFile("a/../../../../../../../.."+outside, "x")),
		"link":     tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: filepath.Dir(outside)}, textFile("l/outside", "x")),
		"hardlink": tarOf(t, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../../../../../../../etc/passwd"}),
		"device":   tarOf(t, tar.Header{Name: "d", Typeflag: tar.TypeBlock, Devmajor: 8}),
	} {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nADD x.tar /\n", "x.tar": string(archive)})
		r := e.Run(t, "build", "-t", "hostile", dir)
		if name != "link" && r.Code != 1 {
			t.Errorf("%s: %s", name, r)
		}
		if _, err := os.Lstat(outside); err == nil {
			t.Fatalf("%s: wrote outside", name)
		}
	}
}

// served serves files on the loopback, whose address is returned.
func served(t testing.TB, dir string) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL
}

func TestBuildContextFromURL(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{
		"app.tar.gz": string(gzipped(t, tarOf(t, textFile("Dockerfile", catFile), textFile("f", "from a server ")))),
		"Dockerfile": "FROM alpine:3.20\nRUN echo only a file\n", "data": "fetched",
	})
	url := served(t, dir)
	e.Run(t, "build", "--no-cache", "--progress=plain", url+"/app.tar.gz").Exits(t, 0).Says(t, "from a server ")
	e.Run(t, "build", "--no-cache", "--progress=plain", url+"/Dockerfile").Exits(t, 0).Says(t, " only a file\n")
	e.Run(t, "build", url+"/nothing").Exits(t, 125).Says(t, "404")
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("fetched")))
	add := func(flags string) string {
		return e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nADD " + flags + url + "/data /d/\nRUN cat /d/data\n"})
	}
	e.Run(t, "build", "--progress=plain", add("")).Exits(t, 0).Says(t, " fetched\n")
	e.Run(t, "build", "--no-cache", "--progress=plain", add("--checksum="+sum+" ")).Exits(t, 0).Says(t, " fetched\n")
	e.Run(t, "build", add("--checksum="+sum[:70]+"0 ")).Exits(t, 1).Says(t, "has not the checksum", "Dockerfile:2")
	e.Run(t, "build", add("--checksum=md5:1 ")).Exits(t, 1).Says(t, "checksum")
}

func TestBuildNamedContexts(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		files := e.context(t, map[string]string{"f": "named ", "skip": "", ".dockerignore": "skip\n"})
		base := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo based >/based\n"})
		e.built(t, base, "-t", "based:1")
		layout := filepath.Join(e.Folder(t), "layout")
		archive := filepath.Join(e.Folder(t), "l.tar")
		e.OK(t, "save", "--format", "oci-archive", "-o", archive, "based:1")
		if err := os.Mkdir(layout, 0o755); err != nil {
			t.Fatal(err)
		}
		e.own(t, layout)
		e.Tool("tar", "-xf", archive, "-C", layout).Run(t).OK(t)
		dir := e.context(t, map[string]string{"Dockerfile": `FROM base AS one
COPY --from=files . /n/
RUN --mount=from=files,target=/m cat /based /n/f /m/f; ls /n /m
FROM laid AS two
RUN cat /based
FROM files AS three
FROM alpine:3.20
COPY --from=three /f /three
COPY --from=one /n/f /one
COPY --from=two /based /two
RUN cat /one /two /three
`})
		r := e.Run(t, "build", "--no-cache", "--progress=plain", "--build-context", "base=docker-image://based:1", "--build-context", "files="+files,
			"--build-context", "laid=oci-layout://"+layout, dir).Exits(t, 0).Says(t, " based\n", "named named ", "named based\n")
		if strings.Contains(r.Err, " skip\n") {
			t.Errorf(".dockerignore of a named context was not read: %s", r)
		}
		// A stage of the same name is what the context is, also as the target and by number.
		stage := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS base\nRUN false\nFROM Base AS last\nCOPY --from=0 /based /copied\nFROM FILES\n"})
		for name, where := range map[string]string{"base": "docker-image://based:1", "BASE": "docker-image://based:1", "docker.io/library/base:latest": "docker-image://based:1"} {
			e.built(t, stage, "-t", "based:2", "--target", "last", "--build-context", name+"="+where)
			e.Want(t, "based\nbased", "run", "--rm", "based:2", "cat", "/based", "/copied")
			e.built(t, stage, "-t", "based:2", "--target", "base", "--build-context", name+"="+where)
			e.Want(t, "based", "run", "--rm", "based:2", "cat", "/based")
		}
		// The name of a context is none of a stage.
		e.Run(t, "build", "--target", "files", "--build-context", "files="+files, stage).Exits(t, 1).Says(t, "files", "last")
		e.Run(t, "build", "--build-context", "files="+files, stage).Exits(t, 0)
		for _, image := range []string{"alpine:3.20", "docker.io/library/alpine:3.20"} {
			other := e.context(t, map[string]string{"Dockerfile": "FROM " + image + "\nRUN cat /based\n"})
			e.Run(t, "build", "--build-context", "alpine:3.20=docker-image://based:1", other).Exits(t, 0)
		}
		for _, bad := range []string{"x", "=y", "x="} {
			e.Run(t, "build", "--build-context", bad, dir).Exits(t, 125)
		}
		e.Run(t, "build", "--build-context", "base=/no/such/folder", "--build-context", "files="+files, dir).Exits(t, 125).Says(t, "--build-context base")
	})
}

// A URL without a name at its end needs one from the server, or from the Dockerfile.
func TestBuildAddsURLWithoutName(t *testing.T) {
	e := AsUser(t)
	given := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if given != "" {
			w.Header().Set("Content-Disposition", given)
		}
		fmt.Fprint(w, "served from "+r.URL.Path)
	}))
	defer server.Close()
	build := func(add string) Result {
		t.Helper()
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\n" + strings.ReplaceAll(add, "URL", server.URL) + "\nRUN for f in /d/* /f; do echo $f: $(cat $f); done\n"})
		return e.Run(t, "build", "--no-cache", "--progress=plain", dir)
	}
	build("ADD URL/ /f").Exits(t, 0).Says(t, " /f: served from /\n")
	build("ADD URL /f").Exits(t, 0).Says(t, " /f: served from /\n")
	build("ADD URL/ /d/").Exits(t, 1).Says(t, "Dockerfile:2", "/d/FILE")
	build("RUN mkdir /d\nADD URL/ /d").Exits(t, 1).Says(t, "Dockerfile:3", "/d/FILE")
	given = `attachment; filename="../../etc/named"`
	build("ADD URL/ /d/").Exits(t, 0).Says(t, " /d/named: served from /\n")
	build("ADD URL/own /d/").Exits(t, 0).Says(t, " /d/own: served from /own\n")
	build("ADD URL/ /f").Exits(t, 0).Says(t, " /f: served from /\n")
	given = "attachment; filename=.."
	build("ADD URL/ /d/").Exits(t, 1).Says(t, "/d/FILE")
	given = ";;"
	build("ADD URL/ /d/").Exits(t, 1).Says(t, "/d/FILE")
	build("ADD URL/one/x URL/two/x URL/y /d/").Exits(t, 0).Says(t, " /d/x: served from /two/x\n", " /d/y: served from /y\n")
}

// SOURCE_DATE_EPOCH=context is the time that the context is from: what the server
// says, or the youngest file of an archive. A folder has none.
func TestBuildEpochOfContext(t *testing.T) {
	e := AsUser(t)
	const file = "FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL at=${SOURCE_DATE_EPOCH:-unset}\nCOPY f /\n"
	entry := func(name, content string, seconds int64) tar.Header {
		h := textFile(name, content)
		h.ModTime = time.Unix(seconds, 0)
		return h
	}
	archive := tarOf(t, entry("Dockerfile", file, 100), entry("f", "", 200), tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(300, 0)})
	modified := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if modified != "" {
			w.Header().Set("Last-Modified", modified)
		}
		_, _ = w.Write(archive)
	}))
	defer server.Close()
	want := func(want string, c *Cmd) {
		t.Helper()
		c.Run(t).Exits(t, 0)
		got := e.OK(t, "image", "inspect", "-f", "{{.Config.Labels.at}} {{.Created}}", "dated")
		if want == "unset" {
			got, _, _ = strings.Cut(got, " ")
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	build := func(context string, args ...string) *Cmd {
		return e.Cmd(append(append([]string{"build", "-t", "dated"}, args...), context)...)
	}
	want("200 1970-01-01T00:03:20Z", build(server.URL+"/c.tar", "--build-arg", "SOURCE_DATE_EPOCH=context"))
	want("200 1970-01-01T00:03:20Z", build("-").Set("SOURCE_DATE_EPOCH=context").Stdin(bytes.NewReader(archive)))
	modified = time.Unix(400, 0).UTC().Format(http.TimeFormat)
	want("400 1970-01-01T00:06:40Z", build(server.URL+"/c.tar", "--build-arg", "SOURCE_DATE_EPOCH=context"))
	dir := e.context(t, map[string]string{"f": "", "Dockerfile": file})
	want("unset", build(dir, "--build-arg", "SOURCE_DATE_EPOCH=context"))
	archive = tarOf(t, entry("f", "", 500), entry("Dockerfile", "ARG SOURCE_DATE_EPOCH=context\n"+file, 100))
	modified = ""
	want("500 1970-01-01T00:08:20Z", build(server.URL+"/c.tar"))
	want("7 1970-01-01T00:00:07Z", build(server.URL+"/c.tar", "--build-arg", "SOURCE_DATE_EPOCH=7"))
	build(dir, "--build-arg", "SOURCE_DATE_EPOCH=contexts").Run(t).Exits(t, 125).Says(t, "contexts", "number of seconds")
	e.OK(t, "rmi", "dated")
}
