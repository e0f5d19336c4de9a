package storage

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

const (
	someID     = "91ef0af61f39ece4d6710e465df5ed6ca12112358344fd51ae6a3b886634148b"
	someDigest = "sha256:" + someID
)

func TestNormalizeReference(t *testing.T) {
	for ref, want := range map[string]string{
		"alpine":                 "docker.io/library/alpine:latest",
		"alpine:3.20":            "docker.io/library/alpine:3.20",
		"docker.io/alpine":       "docker.io/library/alpine:latest",
		"index.docker.io/x/y":    "docker.io/x/y:latest",
		"x/y":                    "docker.io/x/y:latest",
		"localhost/x":            "localhost/x:latest",
		"localhost:5000/x/y:v1":  "localhost:5000/x/y:v1",
		"quay.io/a/b/c_d__e-f.g": "quay.io/a/b/c_d__e-f.g:latest",
		"alpine@" + someDigest:   "docker.io/library/alpine@" + someDigest,
		"alpine:3@" + someDigest: "docker.io/library/alpine@" + someDigest,
		"127.0.0.1:5000/x:" + strings.Repeat("t", 128): "127.0.0.1:5000/x:" + strings.Repeat("t", 128),
	} {
		if got, err := NormalizeReference(ref); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", ref, got, err, want)
		}
	}
}

func TestNormalizeReferenceRefuses(t *testing.T) {
	for _, ref := range []string{
		"", ":", "@", "/", "a/", "/a", "a//b", "Alpine", "a:", "a:-", "a:" + strings.Repeat("t", 129), "a b", "a\n", "a:b:c",
		"a@sha256:12", "a@md5:" + someID, "-a", "a-", "a..b", "a___b", "h_st.x/a", "a.b:port/c", "ä", "a\x00", someID,
		strings.Repeat("a", 256), "../a", "a/../b", ".", "..", "a%b",
	} {
		if got, err := NormalizeReference(ref); !errors.Is(err, ErrInvalidReference) {
			t.Errorf("%q: got %q, %v", ref, got, err)
		}
	}
}

func TestFamiliar(t *testing.T) {
	for ref, want := range map[string]string{
		"docker.io/library/alpine:3":      "alpine:3",
		"docker.io/x/y:1":                 "x/y:1",
		"docker.io/library/a/b:1":         "library/a/b:1",
		"quay.io/library/a@" + someDigest: "quay.io/library/a@" + someDigest,
	} {
		r, err := ParseReference(ref)
		if err != nil || r.Familiar() != want {
			t.Errorf("%q: got %q, %v, want %q", ref, r.Familiar(), err, want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"alpine", "a/b:c", "localhost:5000/x@" + someDigest, "a:b@", "A", someID, "..", "a.b:80/c__d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			return
		}
		for _, form := range []string{r.String(), r.Familiar()} {
			if again, err := ParseReference(form); err != nil || again != r {
				t.Errorf("%q is %+v, but %q is %+v, %v", s, r, form, again, err)
			}
		}
		if path := recordPath("/data", r.String()); filepath.Dir(path) != "/data/images" || len(filepath.Base(path)) > 220 {
			t.Errorf("%q has its record at %s", s, path)
		}
	})
}
