package store

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/internal/idmap"
)

func TestApply(t *testing.T) {
	for _, c := range []struct {
		changes []string
		want    dockerConfig
	}{
		{[]string{`CMD ["a", "b"]`, "entrypoint run it"}, dockerConfig{ImageConfig: ispec.ImageConfig{Cmd: []string{"a", "b"}, Entrypoint: []string{"/bin/sh", "-c", "run it"}}}},
		{[]string{"ENV A=1 B=2", "ENV A 3 4", `ENV C="x y" D='$z' E=a\ b F=`}, dockerConfig{ImageConfig: ispec.ImageConfig{Env: []string{"A=3 4", "B=2", "C=x y", "D=$z", "E=a b", "F="}}}},
		{[]string{"LABEL a=1", `LABEL b="2 3" a=4`}, dockerConfig{ImageConfig: ispec.ImageConfig{Labels: map[string]string{"a": "4", "b": "2 3"}}}},
		{[]string{"EXPOSE 80 53/udp", "EXPOSE 8000-8001"}, dockerConfig{ImageConfig: ispec.ImageConfig{ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}}}}},
		{[]string{`VOLUME ["/a b"]`, "VOLUME /c /d"}, dockerConfig{ImageConfig: ispec.ImageConfig{Volumes: map[string]struct{}{"/a b": {}, "/c": {}, "/d": {}}}}},
		{[]string{"USER a:b", "WORKDIR /w x", "STOPSIGNAL SIGINT", "ONBUILD RUN x"}, dockerConfig{ImageConfig: ispec.ImageConfig{User: "a:b", WorkingDir: "/w x", StopSignal: "SIGINT"}, OnBuild: []string{"RUN x"}}},
		{[]string{"WORKDIR a", "WORKDIR ../b/c"}, dockerConfig{ImageConfig: ispec.ImageConfig{WorkingDir: "/b/c"}}},
		{[]string{"HEALTHCHECK --interval=5s --retries=2 CMD curl localhost"}, dockerConfig{Healthcheck: &healthcheck{Test: []string{"CMD-SHELL", "curl localhost"}, Interval: 5 * time.Second, Retries: 2}}},
		{[]string{"healthcheck none"}, dockerConfig{Healthcheck: &healthcheck{Test: []string{"NONE"}}}},
	} {
		var got dockerConfig
		for _, change := range c.changes {
			if err := got.apply(change); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", c.changes, got, c.want)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, change := range []string{"", "CMD", "RUN x", "ENV A", "ENV =1", `LABEL a="1`, "EXPOSE web", "HEALTHCHECK", "HEALTHCHECK --interval=x CMD a", "HEALTHCHECK a", "HEALTHCHECK CMD a\nRUN b", "EXPOSE 80/icmp", "EXPOSE 65536", "EXPOSE 0", "EXPOSE 9-8", "STOPSIGNAL LOUD", `VOLUME ["a"`} {
		var c dockerConfig
		if err := c.apply(change); !errors.Is(err, ErrChange) {
			t.Errorf("%q: %v, %+v", change, err, c)
		}
	}
}

func FuzzApply(f *testing.F) {
	for _, seed := range []string{`CMD ["a"]`, `ENV A="b c" D=e`, "ENV a b", `LABEL "x y"=z`, "EXPOSE 80/tcp", `VOLUME ["/a"]`, `ENV a=\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, change string) {
		var c dockerConfig
		if err := c.apply(change); err != nil && !errors.Is(err, ErrChange) {
			t.Error(err)
		}
		for _, e := range c.Env {
			if !strings.Contains(e, "=") || strings.HasPrefix(e, "=") {
				t.Errorf("%q gives the variable %q", change, e)
			}
		}
	})
}

func TestParsePlatform(t *testing.T) {
	for s, want := range map[string]ispec.Platform{
		"linux":        {OS: "linux"},
		"linux/arm64":  {OS: "linux", Architecture: "arm64"},
		"linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},
		"x86_64":       {OS: "linux", Architecture: "amd64"},
		"Linux/AMD64":  {OS: "linux", Architecture: "amd64"},
	} {
		if got, err := ParsePlatform(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "/", "linux/", "linux/a/b/c", "windows/amd64", "linux/ä", "linux/../x"} {
		if got, err := ParsePlatform(s); !errors.Is(err, ErrPlatform) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

func TestBeyond(t *testing.T) {
	ranges := []idmap.Range{{Size: 1}, {Container: 1, Size: 65535}, {Container: 100000, Size: 10}}
	got := beyond(ranges, []uint32{0, 1, 65535, 65536, 99999, 100000, 100009, 100010, 4294967295})
	if want := []uint32{65536, 99999, 100010, 4294967295}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
