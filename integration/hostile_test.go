package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hostileArchives are root file systems that reach for the folder outside.
func hostileArchives(t *testing.T, outside string) map[string][]byte {
	up := strings.Repeat("../", 30)
	link := func(name, to string, kind byte) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: kind}
	}
	claim := tarOf(t, textFile("big", "x"))
	copy(claim[124:], "100000000000\x00") // 8 GiB, in octal digits
	var sum int
	copy(claim[148:], "        ")
	for _, b := range claim[:512] {
		sum += int(b)
	}
	copy(claim[148:], fmt.Sprintf("%06o\x00 ", sum))
	return map[string][]byte{
		"dots":                tarOf(t, textFile(up+outside[1:]+"/new", "evil")),
		"dots in the middle":  tarOf(t, textFile("a/"+up+outside[1:]+"/new", "evil")),
		"absolute name":       tarOf(t, textFile(outside+"/new", "evil")),
		"absolute link":       tarOf(t, link("out", outside, tar.TypeSymlink), textFile("out/secret", "evil")),
		"relative link":       tarOf(t, link("out", up+outside[1:], tar.TypeSymlink), textFile("out/secret", "evil")),
		"hard link outside":   tarOf(t, link("h", up+outside[1:]+"/secret", tar.TypeLink), textFile("h", "evil")),
		"hard link by a link": tarOf(t, link("out", outside, tar.TypeSymlink), link("h", "out/secret", tar.TypeLink)),
		"claim of 8 GiB":      claim,
		"device":              tarOf(t, tar.Header{Name: "memory", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1, Mode: 0o666}, tar.Header{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 254}),
		"entry twice":         tarOf(t, textFile("f", "one"), link("f", outside+"/secret", tar.TypeSymlink), textFile("f", "evil")),
		"names in two cases":  tarOf(t, link("OUT", outside, tar.TypeSymlink), textFile("out/secret", "evil")),
	}
}

// refused are the archives that end in an error whoever unpacks them. The others
// may be taken as they are in the container, where a link leads to its own files.
var refused = []string{"dots", "dots in the middle", "hard link outside", "claim of 8 GiB"}

// imageOf is an archive of an image with one layer, in the OCI layout.
func imageOf(t *testing.T, layer []byte) []byte {
	t.Helper()
	blob := func(data string) (tar.Header, string) {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(data)))
		return textFile("blobs/sha256/"+sum, data), fmt.Sprintf(`"digest":"sha256:%s","size":%d}`, sum, len(data))
	}
	const kind = `{"mediaType":"application/vnd.oci.image.`
	content, l := blob(string(layer))
	config, c := blob(fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer)))
	manifest, m := blob(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + kind + `config.v1+json",` + c + `,"layers":[` + kind + `layer.v1.tar",` + l + `]}`)
	return tarOf(t, textFile("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
		textFile("index.json", `{"schemaVersion":2,"manifests":[`+kind+`manifest.v1+json",`+m+`]}`), config, manifest, content)
}

// oldImageOf is the same as Docker wrote it before the OCI layout.
func oldImageOf(t *testing.T, layer []byte) []byte {
	t.Helper()
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer))
	return tarOf(t, textFile("manifest.json", `[{"Config":"c.json","RepoTags":["hostile:1"],"Layers":["l.tar"]}]`),
		textFile("c.json", config), textFile("l.tar", string(layer)))
}

// noDevices fails the test if a device of the archive has become one.
func (e *Env) noDevices(t *testing.T, r Result) {
	t.Helper()
	err := filepath.WalkDir(e.Home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeDevice != 0 && (d.Name() == "memory" || d.Name() == "disk") {
			t.Errorf("%s is a device after: %s", path, r)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// secret makes a folder with one file, for archives to reach for.
func (e *Env) secret(t *testing.T) (outside, secret string) {
	t.Helper()
	outside = e.Folder(t)
	secret = filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("kept"), 0o666); err != nil {
		t.Fatal(err)
	}
	e.own(t, secret)
	return outside, secret
}

// untouched ends the test if anything has changed about the secret or its folder.
func untouched(t *testing.T, secret, by string) {
	t.Helper()
	if text, err := os.ReadFile(secret); err != nil || string(text) != "kept" {
		t.Fatalf("%s: outside there is %q, %v", by, text, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(secret)); err != nil || len(entries) != 1 {
		t.Fatalf("%s: outside there are %v, %v", by, entries, err)
	}
}

// layoutOf writes the files of an archive into a folder: skopeo unpacks an archive with
// root as the owner of its folders, which only root can.
func layoutOf(t *testing.T, archive []byte) string {
	t.Helper()
	dir := t.TempDir()
	for from := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(from)
		}
		if err == nil {
			path := filepath.Join(dir, h.Name)
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Nor do they when a registry has them.
func TestHostilePull(t *testing.T) {
	Need(t, DockerRegistry, Skopeo)
	registry := StartRegistry(t)
	eachFresh(t, func(t *testing.T, e *Env) {
		outside, secret := e.secret(t)
		number := 0
		for name, archive := range hostileArchives(t, outside) {
			number++
			repository := fmt.Sprintf("%s%d:1", strings.ToLower(filepath.Base(t.Name())), number)
			registry.Push(t, "oci:"+layoutOf(t, imageOf(t, archive)), repository)
			ref := registry.Addr + "/" + repository
			r := e.Run(t, "pull", "-q", ref)
			if r.Code != 0 && (r.Code != 1 || strings.Count(r.Err, "\n") != 1) {
				t.Errorf("%s: want one line and 1: %s", name, r)
			}
			if name == "claim of 8 GiB" && r.Code == 0 {
				t.Errorf("%s: %s", name, r)
			}
			untouched(t, secret, name)
			e.noDevices(t, r)
			if r.Code != 0 {
				continue
			}
			// What a link in the image leads to is in the image.
			e.OK(t, "create", "--name", "hostile", "--network", "none", ref, "/none")
			e.Run(t, "cp", "hostile:/out/secret", e.Home+"/got")
			if text, err := os.ReadFile(e.Home + "/got"); err == nil && string(text) == "kept" {
				t.Errorf("%s: the secret was read", name)
			}
			untouched(t, secret, name+" by create")
			e.OK(t, "rm", "hostile")
			e.OK(t, "rmi", ref)
		}
		e.Want(t, "", "images", "-q")
		if left := storeFiles(t, e); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

// Archives that reach out of the root reach nothing, by whichever command they come.
func TestHostileArchives(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		outside, secret := e.secret(t)
		importSmall(t, e, "small")
		e.OK(t, "create", "--name", "target", "--network", "none", "small", "/none")
		for name, archive := range hostileArchives(t, outside) {
			for _, way := range []struct {
				args  []string
				input []byte
				bends bool // may turn names that lead out into ones inside
			}{
				{[]string{"load", "-q"}, imageOf(t, archive), false},
				{[]string{"load", "-q"}, oldImageOf(t, archive), true},
				{[]string{"import", "-", "hostile"}, archive, false},
				{[]string{"cp", "-", "target:/"}, archive, false},
				{[]string{"build", "-q", "-t", "hostile", "-"}, tarOf(t, textFile("Dockerfile", "FROM small\nADD a.tar /\n"), textFile("a.tar", string(archive))), false},
			} {
				r := e.Cmd(way.args...).Stdin(bytes.NewReader(way.input)).Run(t)
				if slices.Contains(refused, name) && !way.bends && (r.Code != 1 || strings.Count("\n"+r.Err, "\nrl: ") != 1) {
					t.Errorf("%s: want one line and 1: %s", name, r)
				}
				if name == "device" {
					e.noDevices(t, r)
				}
				untouched(t, secret, name+" by "+way.args[0])
				e.Tool("sh", "-c", e.Prog+" rmi -f hostile hostile:1 $("+e.Prog+" images -q --filter dangling=true)").Run(t)
			}
		}
		e.OK(t, "rm", "target")
		e.Want(t, "small", "images", "--format", "{{.Repository}}")
	})
}
