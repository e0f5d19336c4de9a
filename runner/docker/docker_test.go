package docker

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
	"github.com/rl-project/rl/storage"
)

var (
	testID    = strings.Repeat("0123456789abcdef", 4)
	testImage = strings.Repeat("fe", 32)
	noon      = time.Date(2026, 5, 6, 12, 0, 0, 7, time.UTC)
	store     = runner.Store{Dirs: dirs.Dirs{Data: "/data"}}
)

func image() storage.Config {
	return storage.Config{
		Env: []string{"PATH=/bin", "A=image"}, Entrypoint: []string{"/entry"}, Cmd: []string{"arg"},
		ExposedPorts: map[string]struct{}{"53/udp": {}, "80": {}}, Volumes: map[string]struct{}{"/var": {}},
		Labels: map[string]string{"from": "image"}, StopSignal: "SIGQUIT",
	}
}

// view is a running container of image with options, as the runner stores it.
func view(t testing.TB, o spec.Options) runner.View {
	t.Helper()
	o.ID = testID
	ids := []specs.LinuxIDMapping{{Size: 65536}}
	s, err := spec.Build(o, image(), spec.Host{
		LookupEnv: os.LookupEnv, Dir: "/home/ann", Hostname: "machine", CPUs: 4, UIDs: ids, GIDs: ids, LastCap: 40,
		Volume: func(m *spec.Mount) (string, error) { return "/data/volumes/" + m.Target, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Root.Path = "/data/containers/" + testID + "/root"
	facts, err := spec.FactsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	config := image()
	config.Env, config.Labels = s.Process.Env, facts.Labels
	port := slirp.PortMapping{Host: 8080, Container: 80, Protocol: "tcp"}
	return runner.View{
		Status: runner.Running,
		Container: runner.Container{
			ID: testID, Name: "web", Created: noon, Networks: []network.Wish{{Network: "bridge"}}, Image: "alpine", Spec: s, Config: config, Options: o,
			Ports: []slirp.PortMapping{port}, Log: logs.Options{Driver: logs.JSONFile, MaxSize: 10, MaxFile: 3},
			RootFS: storage.Image{
				ID: testImage, Size: 5000, Layers: []string{"/top", "/base"}, Names: []string{"docker.io/library/alpine:latest"},
				Config: image(), Store: storage.Store{Driver: "overlay"}, Platform: storage.Platform{Architecture: "amd64"},
			},
		},
		State: runner.State{
			Init: process.ID{PID: 42}, StartedAt: noon.Add(time.Second), Attachments: []slirp.Attachment{{
				Network: "bridge", IPAddress: netip.MustParseAddr("10.88.0.2"), PrefixLen: 16,
				Gateway: netip.MustParseAddr("10.88.0.1"), MACAddress: "02:42:0a:58:00:02", Ports: []slirp.PortMapping{port},
			}},
		},
	}
}
