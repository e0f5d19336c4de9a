package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/fields"
	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// views are containers that between them have every option.
func views(t *testing.T) []runner.View {
	seconds, score, pids := 7, 5, int64(20)
	entry, source := "/entry", t.TempDir()
	everything := view(t, spec.Options{
		Args: []string{"a", "b"}, Entrypoint: &entry, Workdir: "/w", User: "7:8", GroupAdd: []string{"9"},
		Env: []string{"X=y"}, Hostname: "h", Domainname: "d", TTY: true, Init: true, ReadOnly: true,
		Volumes: []string{"/src:/dst:ro"}, Mounts: []string{"type=bind,source=" + source + ",target=/d2"}, Tmpfs: []string{"/t:size=1m"},
		VolumesFrom: []string{"data:ro"},
		Devices:     nil, ShmSize: "1m", CapAdd: []string{"net_admin"}, CapDrop: []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges"}, Ulimits: []string{"nofile=10:20"}, Sysctls: []string{"net.core.somaxconn=9"},
		AddHosts: []string{"db:10.0.0.2"}, DNS: []string{"192.0.2.1"}, DNSOptions: []string{"ndots:2"}, DNSSearch: []string{"example.org"},
		Expose: []string{"99"}, PublishAll: true, Timeout: 9, CIDFile: "/cid", Attach: []string{"stdin", "stdout", "stderr"},
		OOMScoreAdj: &score, CgroupParent: "/p", UserNS: "keep-id", StopSignal: "INT", StopTimeout: &seconds,
		Restart: "on-failure:3", Labels: []string{"k=v"}, Annotations: []string{"n=o"},
		Limits: spec.Limits{
			Memory: "20m", MemorySwap: "30m", MemoryReservation: "10m", CPUs: "1.5", CPUShares: 512, CPUSetCPUs: "0-1",
			CPUSetMems: "0", PidsLimit: &pids, BlkioWeight: 100,
		},
	})
	// These look at devices of the machine when a container is made.
	everything.Options.Devices = []string{"/dev/fuse:/dev/f:rw", "vendor.com/class=one"}
	everything.Options.Limits.BlkioWeightDevice = []string{"/dev/x:200"}
	everything.Options.Limits.DeviceReadBps = []string{"/dev/x:1mb"}
	everything.Options.Limits.DeviceWriteBps = []string{"/dev/x:2mb"}
	everything.Options.Limits.DeviceReadIOps = []string{"/dev/x:3"}
	everything.Options.Limits.DeviceWriteIOps = []string{"/dev/x:4"}
	everything.Config.User, everything.Config.WorkingDir = "7:8", "/w"
	if err := os.Remove(source); err != nil { // what was mounted may be gone
		t.Fatal(err)
	}
	everything.OpenStdin, everything.AutoRemove, everything.Restarts = true, true, 2
	everything.Limit, everything.Cgroup, everything.Status = 20<<20, "/sys/fs/cgroup/x", runner.Paused

	shared := view(t, spec.Options{PID: "host", UTS: "host", Privileged: true, Limits: spec.Limits{CPUPeriod: 1000, CPUQuota: 2000}})
	shared.Status, shared.FinishedAt, shared.ExitCode = runner.Exited, noon.Add(time.Minute), 137
	shared.OOMKilled, shared.State.Error, shared.LogError = true, "broken", "disk full"
	return []runner.View{everything, shared}
}

// docs/inspect.md says of each field what the output shows.
func TestEveryField(t *testing.T) {
	table, err := fields.Read("../../docs/inspect.md", "Container")
	if err != nil {
		t.Fatal(err)
	}
	var objects []any
	restarting := view(t, spec.Options{Restart: "always"})
	restarting.Status = runner.Restarting
	for _, v := range append(views(t), restarting) {
		objects = append(objects, NewContainer(store, v))
	}
	size := int64(1)
	sized := NewContainer(store, views(t)[0])
	sized.SizeRw, sized.SizeRootFs = &size, &size
	checked := NewContainer(store, views(t)[0])
	probe := Probe{Start: rfc3339(noon), End: rfc3339(noon), ExitCode: 1, Output: "x"}
	checked.State.Health = &Health{Status: "unhealthy", FailingStreak: 1, Log: []Probe{probe}}
	checked.Config.Healthcheck = &storage.Healthcheck{Test: []string{"CMD", "true"}}
	wrong, err := table.Compare(append(objects, sized, checked)...)
	if err != nil || len(wrong) > 0 {
		t.Errorf("%v\n%s", err, strings.Join(wrong, "\n"))
	}
}

// Templates that scripts give to `docker inspect`.
func TestTemplatesFoundInTheWild(t *testing.T) {
	all := views(t)
	all = append(all, view(t, spec.Options{Volumes: []string{"/src:/dst:ro", "vol:/vol"}}))
	all[2].Limit, all[2].MemorySampled = 20<<20, true
	for _, tt := range []struct {
		of             int
		template, want string
	}{
		{2, "{{.State.Pid}} {{.State.Status}} {{.State.Running}} {{.State.ExitCode}}", "42 running true 0"},
		{2, "{{.Id}} {{.Name}} {{.Path}} {{.Args}}", testID + " /web /entry [arg]"},
		{2, "{{.ID}}", testID},
		{2, "{{.Image}} {{.Config.Image}}", "sha256:" + testImage + " alpine"},
		{2, "{{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}", "10.88.0.2/16"},
		{2, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.88.0.2"},
		{2, "{{.NetworkSettings.Networks.bridge.Gateway}}", "10.88.0.1"},
		{2, "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.MacAddress}}{{end}}", "bridge=02:42:0a:58:00:02"},
		{2, `{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}`, "8080"},
		{2, `{{range $p, $c := .NetworkSettings.Ports}}{{$p}}{{if $c}}:{{(index $c 0).HostPort}}{{end}} {{end}}`, "53/udp 80/tcp:8080 "},
		{2, `{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostIp}}`, "0.0.0.0"},
		{2, `{{index .Config.Labels "from"}}`, "image"},
		{2, "{{json .Config.Env}}", `["PATH=/bin","A=image"]`},
		{2, "{{range .Config.Env}}{{println .}}{{end}}", "PATH=/bin\nA=image\n"},
		{2, "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"},
		{2, "{{.State.StartedAt}} {{.State.FinishedAt}}", "2026-05-06T12:00:01.000000007Z 0001-01-01T00:00:00Z"},
		{2, "{{.Created}}", "2026-05-06T12:00:00.000000007Z"},
		{2, "{{range .Mounts}}{{.Type}} {{.Source}}:{{.Destination}} {{.RW}} {{.Name}};{{end}}",
			"bind /src:/dst false ;volume /data/volumes/vol:/vol true vol;volume /data/volumes/var:/var true ;"},
		{2, "{{.HostConfig.Binds}}", "[/src:/dst:ro vol:/vol]"},
		{2, "{{.GraphDriver.Data.UpperDir}} {{.GraphDriver.Data.MergedDir}} {{.GraphDriver.Data.LowerDir}}",
			"/data/containers/" + testID + "/upper /proc/42/root /top:/base"},
		{2, "{{.LogPath}}", "/data/containers/" + testID + "/" + testID + "-json.log"},
		{2, "{{.HostConfig.LogConfig.Type}} {{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}", "json-file no 0"},
		{2, "{{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}} {{.HostConfig.ShmSize}}", "bridge false 67108864"},
		{2, "{{.State.MemoryEnforcedBy}}", cgroup2.WatchedBy},
		{0, "{{.State.MemoryEnforcedBy}}", cgroup2.KernelBy},
		{0, "{{.State.Status}} {{.State.Running}} {{.State.Paused}}", "paused true true"},
		{0, "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}}", "20971520 31457280 10485760"},
		{0, "{{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.CpuQuota}}", "1500000000 512 0"},
		{0, "{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}", "[CAP_NET_ADMIN] [ALL] [no-new-privileges]"},
		{0, "{{range .HostConfig.Ulimits}}{{.Name}}={{.Soft}}:{{.Hard}}{{end}}", "nofile=10:20"},
		{0, "{{range .HostConfig.Devices}}{{.PathOnHost}}:{{.PathInContainer}}:{{.CgroupPermissions}}{{end}}", "/dev/fuse:/dev/f:rw"},
		{0, "{{range .HostConfig.BlkioDeviceReadBps}}{{.Path}} {{.Rate}}{{end}}", "/dev/x 1048576"},
		{0, "{{.HostConfig.PidsLimit}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.AutoRemove}} {{.HostConfig.Init}}", "20 true true true"},
		{0, `{{index .HostConfig.Tmpfs "/t"}} {{index .HostConfig.Sysctls "net.core.somaxconn"}}`, "size=1m 9"},
		{0, "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", "on-failure 3"},
		{0, "{{.Config.User}} {{.Config.WorkingDir}} {{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.StopSignal}}", "7:8 /w true true INT"},
		{0, "{{.Config.Hostname}}.{{.Config.Domainname}}", "h.d"},
		{0, "{{range .HostConfig.Mounts}}{{.Type}} {{.Target}}{{end}}", "bind /d2"},
		{1, "{{.State.Pid}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}", "0 137 true broken"},
		{1, "{{.HostConfig.PidMode}} {{.HostConfig.UTSMode}} {{.HostConfig.Privileged}}", "host host true"},
		{1, "{{.NetworkSettings.IPAddress}}{{.NetworkSettings.Ports}}{{.NetworkSettings.Networks.bridge.IPAddress}}", "map[]"},
		{1, "{{.HostConfig.CpuPeriod}} {{.HostConfig.CpuQuota}} {{.HostConfig.NanoCpus}}", "1000 2000 0"},
	} {
		var out strings.Builder
		if err := format.Values(&out, tt.template, []Container{NewContainer(store, all[tt.of])}); err != nil {
			t.Errorf("%s: %v", tt.template, err)
		} else if got := strings.TrimSuffix(out.String(), "\n"); got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.template, got, tt.want)
		}
	}
}

// Relative sources are shown as the folders that they came to be.
func TestBindsAreAbsolute(t *testing.T) {
	v := view(t, spec.Options{Volumes: []string{"./x:/dst:ro", "/anonymous"}})
	if got := fmt.Sprint(NewContainer(store, v).HostConfig.Binds); got != "[/home/ann/x:/dst:ro]" {
		t.Error(got)
	}
}

// What every container is given is not taken for the person's, but stays when
// the person or the image says it.
func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("HOSTNAME=other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options spec.Options
		want    string
	}{
		{spec.Options{TTY: true}, "[PATH=/bin A=image]"},
		{spec.Options{TTY: true, Env: []string{"HOME=/h", "TERM=xterm"}}, "[PATH=/bin TERM=xterm A=image HOME=/h]"},
		{spec.Options{EnvFiles: []string{file}}, "[PATH=/bin HOSTNAME=other A=image]"},
	} {
		if got := fmt.Sprint(NewContainer(store, view(t, tt.options)).Config.Env); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// A killed monitor leaves facts behind that hold no longer.
func TestLostContainer(t *testing.T) {
	v := view(t, spec.Options{})
	v.Status, v.ExitCode, v.Init = runner.Exited, runner.LostExitCode, process.ID{}
	v.FinishedAt = v.StartedAt.Add(-time.Hour)
	c := NewContainer(store, v)
	if c.State.FinishedAt != "0001-01-01T00:00:00Z" || c.State.Pid != 0 || c.NetworkSettings.SandboxKey != "" ||
		c.NetworkSettings.IPAddress != "" || strings.HasPrefix(c.GraphDriver.Data["MergedDir"], "/proc") {
		t.Errorf("%+v", c.State)
	}
}

func TestNoLogPathWithoutALog(t *testing.T) {
	v := view(t, spec.Options{})
	v.Log.Driver = logs.None
	if c := NewContainer(store, v); c.LogPath != "" || c.HostConfig.LogConfig.Type != "none" {
		t.Errorf("%q %+v", c.LogPath, c.HostConfig.LogConfig)
	}
}
