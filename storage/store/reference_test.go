package store

import (
	"strings"
	"testing"

	"go.podman.io/image/v5/docker/reference"

	"github.com/rl-project/rl/storage"
)

// FuzzReference compares the small parser that starts containers with the
// library's, which pulls: they must mean the same by every name. The library
// takes some names more, whose registry can be no host, as "h_st.x/a".
func FuzzReference(f *testing.F) {
	for _, seed := range []string{
		"alpine", "alpine:3.20", "a/b", "localhost/x", "localhost:5000/x/y:t", "quay.io/a/b@sha256:" + zeros,
		"a:t@sha256:" + zeros, "docker.io/alpine", "index.docker.io/a", "[::1]:5000/a", "[fe80::1]/a", "A/b", "a/B", "a__b", "a___b",
		"a..b", "a-.b", "a--b", "-a", "a:", "a@", "a:.t", "x.y/", "/a", "a//b", "a.b:80", "a.b:80/c:d", zeros, "a@sha512:" + zeros + zeros,
		"a@sha256:0", "HOST/a", "h_st.x/a", "a.b-/c", "1.2.3.4/x", "[1.2.3.4]/x", "library/x", "a@md5:00112233445566778899aabbccddeeff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := storage.ParseReference(s)
		want, wantErr := reference.ParseNormalizedNamed(s)
		if err != nil && wantErr == nil && strings.Contains(err.Error(), "not a host name") {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %+v, %v; the library: %v, %v", s, got, err, want, wantErr)
		}
		if err != nil {
			return
		}
		if got.String() != want.String() || got.Familiar() != reference.FamiliarString(want) {
			t.Errorf("%q: got %s (%s), the library: %s (%s)", s, got, got.Familiar(), want, reference.FamiliarString(want))
		}
	})
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
