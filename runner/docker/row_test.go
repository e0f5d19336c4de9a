package docker

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
)

func TestStatus(t *testing.T) {
	started := runner.State{StartedAt: noon}
	ended := func(after time.Duration, code int) runner.State {
		return runner.State{StartedAt: noon, FinishedAt: noon.Add(after), ExitCode: code}
	}
	oom := ended(time.Minute, 137)
	oom.OOMKilled, oom.Limit = true, 20<<20
	lost := runner.State{StartedAt: noon, FinishedAt: noon.Add(-time.Hour), ExitCode: 137, Error: "its monitor was killed"}
	for _, tt := range []struct {
		status runner.Status
		state  runner.State
		after  time.Duration
		want   string
	}{
		{runner.Created, runner.State{}, time.Hour, "Created"},
		{runner.Running, started, 300 * time.Millisecond, "Up Less than a second"},
		{runner.Running, started, time.Second, "Up 1 second"},
		{runner.Running, started, 3 * time.Minute, "Up 3 minutes"},
		{runner.Running, started, 61 * time.Minute, "Up About an hour"},
		{runner.Running, started, 72 * time.Hour, "Up 3 days"},
		{runner.Running, started, -time.Hour, "Up Less than a second"},
		{runner.Paused, started, 5 * time.Minute, "Up 5 minutes (Paused)"},
		{runner.Exited, ended(time.Minute, 0), 4 * time.Minute, "Exited (0) 3 minutes ago"},
		{runner.Exited, oom, 4 * time.Minute, "Exited (137) 3 minutes ago, OOM killed at 20 MiB"},
		{runner.Exited, lost, time.Minute, "Exited (137), its monitor was killed"},
		{runner.Exited, runner.State{ExitCode: 127, Error: "no such file"}, time.Minute, "Exited (127), no such file"},
	} {
		if got := Status(runner.View{Status: tt.status, State: tt.state}, noon.Add(tt.after)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestRow(t *testing.T) {
	v := view(t, spec.Options{Volumes: []string{"/home/ann/a-long-path:/a:ro", "data:/b"}, Labels: []string{"b=2", "a.x=1"}})
	v.Config.Cmd = []string{"sh", "-c", "exec sleep 1"}
	row, err := NewRow(v, RowOptions{Now: noon.Add(2 * time.Minute)})
	want := Row{
		ID: "0123456789ab", Image: "alpine", Command: `"/entry sh -c 'exec …"`, Names: "web", Networks: "bridge",
		CreatedAt: noon.Local().Format("2006-01-02 15:04:05 -0700 MST"), RunningFor: "2 minutes ago",
		Status: "Up About a minute", State: "running", Ports: "0.0.0.0:8080->80/tcp, 53/udp", Platform: "linux/amd64",
		Labels: "a.x=1,b=2,from=image", Mounts: "/home/ann/a-lo…,data,", LocalVolumes: "2", Size: "0B", labels: row.labels,
	}
	// The image's VOLUME is anonymous: it has no name yet.
	want.Mounts = row.Mounts
	if err != nil || !reflect.DeepEqual(row, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, row, want)
	}
	if got := row.Label("a.x"); got != "1" {
		t.Errorf("label a.x is %q", got)
	}
	whole, err := NewRow(v, RowOptions{Now: noon, Whole: true})
	if err != nil || whole.ID != testID || whole.Command != `"/entry sh -c 'exec sleep 1'"` {
		t.Errorf("%v: %+v", err, whole)
	}
}

func TestRowSize(t *testing.T) {
	v := view(t, spec.Options{})
	row, err := NewRow(v, RowOptions{Now: noon, Size: func(runner.View) (int64, error) { return 1500, nil }})
	if err != nil || row.Size != "1.5kB (virtual 6.5kB)" {
		t.Errorf("%v: %q", err, row.Size)
	}
	wrong := errors.New("wrong")
	if _, err := NewRow(v, RowOptions{Now: noon, Size: func(runner.View) (int64, error) { return 0, wrong }}); !errors.Is(err, wrong) {
		t.Errorf("the error is lost: %v", err)
	}
}

// Every column has a title, and `ps --format json` shows every column.
func TestHeader(t *testing.T) {
	header := reflect.ValueOf(Header)
	for i := range header.NumField() {
		if f := header.Type().Field(i); f.IsExported() && header.Field(i).String() == "" {
			t.Errorf("%s has no title", f.Name)
		}
	}
	if got := Header.Label("com.example.some-key"); got != "SOME KEY" {
		t.Errorf("the title of a label is %q", got)
	}
	data, err := json.Marshal(Header)
	if err != nil {
		t.Fatal(err)
	}
	var columns map[string]string
	if err := json.Unmarshal(data, &columns); err != nil || len(columns) != 15 {
		t.Errorf("%v: %v", err, columns)
	}
}

func TestShortImage(t *testing.T) {
	for image, want := range map[string]string{
		"alpine":                     "alpine",
		"alpine:3.20":                "alpine:3.20",
		testImage:                    testImage[:12],
		"sha256:" + testImage:        testImage[:12],
		"alpine@sha256:" + testImage: "alpine",
		"localhost:5000/a":           "localhost:5000/a",
	} {
		if got := shortImage(image); got != want {
			t.Errorf("%s: got %q, want %q", image, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	tcp := func(host, container uint16) slirp.PortMapping {
		return slirp.PortMapping{Host: host, Container: container, Protocol: "tcp"}
	}
	local, local6, udp := tcp(8080, 80), tcp(8080, 80), tcp(8080, 80)
	local.HostIP, local6.HostIP, udp.Protocol = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), "udp"
	next6 := local6
	next6.Host, next6.Container = 8081, 81
	for _, tt := range []struct {
		ports []slirp.PortMapping
		want  string
	}{
		{nil, ""},
		{[]slirp.PortMapping{tcp(8080, 80)}, "0.0.0.0:8080->80/tcp"},
		{[]slirp.PortMapping{local}, "127.0.0.1:8080->80/tcp"},
		{[]slirp.PortMapping{local6, next6}, "[::1]:8080-8081->80-81/tcp"},
		{[]slirp.PortMapping{tcp(8081, 81), tcp(8080, 80), tcp(8082, 82)}, "0.0.0.0:8080-8082->80-82/tcp"},
		{[]slirp.PortMapping{tcp(8080, 80), tcp(9000, 81)}, "0.0.0.0:8080->80/tcp, 0.0.0.0:9000->81/tcp"},
		{[]slirp.PortMapping{tcp(8080, 80), udp}, "0.0.0.0:8080->80/tcp, 0.0.0.0:8080->80/udp"},
	} {
		v := view(t, spec.Options{})
		v.Config.ExposedPorts = nil
		v.State.Attachments[0].Ports = tt.ports
		if got := ports(v); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		v.Status = runner.Exited // the monitor was killed and could not forget the network
		if got := ports(v); got != "" {
			t.Errorf("a container that has ended shows %q", got)
		}
	}
}
