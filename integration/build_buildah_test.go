package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unlikeBuildah is what always differs, by path, with its reason.
var unlikeBuildah = map[string]string{
	"/etc/resolv.conf": "buildah leaves an empty file where it mounted one for RUN",
}

// likeBuildah are contexts that both build to the same. What buildah 1.28 does
// not know (heredocs, --link, --parents, --exclude, cache mounts that are from a
// stage) has golden tests only.
var likeBuildah = []struct{ name, file string }{
	{"run", "RUN echo a >/a && mkdir -m 1777 /t && chmod 4755 /a && chown 5:6 /t && ln -s a /l && ln /a /h && mkfifo /p && rm /etc/motd && rm -r /media\n"},
	{"replace", "RUN rm -r /opt && echo file >/opt\nRUN rm /opt && mkdir /opt && echo in >/opt/in\nRUN rm -rf /opt/* && touch /opt/.new\n"},
	{"copy", "COPY f /one\nCOPY f d/sub /in/\nCOPY d /d\nCOPY d/* /w/\nWORKDIR /x/y\nCOPY f ./\nCOPY f rel/new\n"},
	{"links", "COPY link /a\nCOPY dirlink /b\nCOPY d/inner /c/\n"},
	{"chown", "COPY --chown=7:8 d /d\nCOPY --chown=nobody f /f\nCOPY --chown=games f /own\nCOPY --chown=9 f /number\nCOPY --chown=bin:daemon --chmod=640 f /g\n"},
	{"add", "ADD a.tar /un/\nADD a.tar.gz /gz/\nADD f /plain/\nCOPY a.tar /kept.tar\n"},
	{"ignored", "COPY . /all\n"},
	{"stages", "RUN echo s >/s\nFROM scratch AS two\nCOPY --from=0 /s /from\nFROM alpine:3.20\nCOPY --from=two / /got/\nCOPY --from=two /from /again\n"},
	{"config", "ENV A=1 B=\"x y\" C=$A\nLABEL l=v m=\"a b\"\nEXPOSE 80 53/udp\nVOLUME /v /w\nUSER nobody\nWORKDIR /wd\nSTOPSIGNAL SIGINT\n" +
		"ENTRYPOINT [\"/bin/cat\"]\nCMD [\"/etc/hosts\"]\n"},
	{"shell form", "ENTRYPOINT echo $HOME\nCMD ls\n"},
	{"args", "ARG X=1\nARG Y\nENV Z=${X}${Y:-none}${X:+yes}\nRUN echo $X $Z >/x\n"},
	{"inherited", "FROM alpine:3.20 AS first\nENV A=x\nENV A=y B=$A\nLABEL l=$A$B m=\"${A}-${NO:-z}\"\nUSER 3:4\nRUN id -u >/tmp/u\nFROM first\nUSER root\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\nEXPOSE $NO 81/tcp\nRUN cat /tmp/u >/v\n"},
	{"workdirs", "ENV D=c\nWORKDIR /a\nWORKDIR b\nWORKDIR $D/../e\nRUN pwd >p\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN echo $0 >q\nHEALTHCHECK --interval=3s CMD true\n"},
	{"wildcards", "COPY d/* d/sub/? /w/\nCOPY [\"two words\", \"/a b/\"]\nCOPY dirlink/sub /x\nADD d/[a-r]* /y/\nCOPY d/e/ d/sub/ /z/\nCOPY f /z\n"},
	{"onbuild", "ONBUILD RUN true\nONBUILD COPY a /b\n"},
	{"mounts", "RUN --mount=target=/c cat /c/f >/f\nRUN --mount=type=tmpfs,target=/m touch /m/x; ls /m >/l\n"},
}

func TestBuildLikeBuildah(t *testing.T) {
	Need(t, Superuser, Buildah, RealImages)
	e := AsUser(t)
	store := t.TempDir()
	buildah := func(args ...string) Result {
		t.Helper()
		root := &Env{Account: Account{Name: "root"}, Home: store, Runtime: store}
		return root.Tool("buildah", append([]string{"--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--storage-driver", "vfs"}, args...)...).Run(t)
	}
	buildah("pull", "-q", "docker-archive:"+Archive("alpine-3.20.3.tar")).OK(t)
	for _, c := range likeBuildah {
		t.Run(c.name, func(t *testing.T) {
			dir := e.toCopy(t, "FROM alpine:3.20\n"+c.file)
			archive := tarOf(t, tar.Header{Name: "s/", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 3, Gid: 4}, textFile("s/f", "f"),
				tar.Header{Name: "s/l", Typeflag: tar.TypeSymlink, Linkname: "f"}, tar.Header{Name: "s/h", Typeflag: tar.TypeLink, Linkname: "s/f"})
			for name, data := range map[string][]byte{"a.tar": archive, "a.tar.gz": gzipped(t, archive)} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"bad", "up"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			theirs := filepath.Join(store, "image.tar")
			_ = os.Remove(theirs)
			buildah("bud", "-q", "--isolation", "chroot", "--format", "docker", "-t", "compared", dir).OK(t)
			buildah("push", "-q", "compared", "docker-archive:"+theirs+":compared:1").OK(t)
			if err := os.Chmod(theirs, 0o644); err != nil {
				t.Fatal(err)
			}
			data, err := os.Open(theirs)
			if err != nil {
				t.Fatal(err)
			}
			defer data.Close()
			e.Cmd("load").Stdin(data).Run(t).OK(t)
			ours := e.built(t, dir, "--no-cache")
			a, b := e.describe(t, ours), e.describe(t, "compared:1")
			for _, key := range slices.Sorted(maps.Keys(merged(a, b))) {
				if _, explained := unlikeBuildah[key]; a[key] != b[key] && !explained {
					t.Errorf("%s: rl has %q, buildah %q", key, a[key], b[key])
				}
			}
		})
	}
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// describe tells all of an image: its files by path, and its configuration by field.
func (e *Env) describe(t testing.TB, image string) map[string]string {
	t.Helper()
	about := map[string]string{}
	var config map[string]any
	if err := json.Unmarshal([]byte(e.OK(t, "image", "inspect", "-f", "{{json .Config}}", image)), &config); err != nil {
		t.Fatal(err)
	}
	if labels, ok := config["Labels"].(map[string]any); ok {
		delete(labels, "io.buildah.version") // buildah's signature
	}
	for field, value := range config {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(text); s != "null" && s != "{}" && s != "[]" && s != `""` {
			about["Config."+field] = s
		}
	}
	name := e.Name(t)
	e.OK(t, "create", "--name", name, image, "true")
	file := filepath.Join(e.Folder(t), "export.tar")
	e.OK(t, "export", "-o", file, name)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return about
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")
		about[path] = fmt.Sprintf("%c %o %d:%d %s %d %x %v", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, h.Size, sum.Sum(nil)[:4], attributes(h))
	}
}

func attributes(h *tar.Header) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if strings.HasPrefix(key, "SCHILY.xattr.") {
			list = append(list, key+"="+h.PAXRecords[key])
		}
	}
	return list
}
