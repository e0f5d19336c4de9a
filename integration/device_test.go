package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cdiFile has a device with everything that a file can ask for and rl can give,
// in the form that vendors' tools write. HOST is a folder of the test's.
const cdiFile = `cdiVersion: "0.7.0"
kind: acme.example/gpu
containerEdits:
  env: [DRIVER=loaded]
devices:
  - name: "0"
    containerEdits:
      env: [GPU=zero]
      deviceNodes:
        - {path: /dev/acme0, hostPath: /dev/null, permissions: rw}
      mounts:
        - {hostPath: HOST/lib, containerPath: /opt/acme, options: [ro, nosuid, nodev, rbind]}
      additionalGids: [44]
      hooks:
        - hookName: createContainer
          path: /bin/sh
          args: [sh, -c, "cat > HOST/state; root=$(sed 's,.*\"root\":{\"path\":\"\\([^\"]*\\).*,\\1,' \"$(sed 's,.*\"bundle\":\"\\([^\"]*\\).*,\\1,' HOST/state)/config.json\"); echo hooked > $root/etc/acme.conf"]
          env: [PATH=/usr/bin:/bin]
  - name: "1"
    containerEdits:
      env: [GPU=one]
      deviceNodes:
        - {path: /dev/acme1, hostPath: /dev/zero}
  - name: broken
    containerEdits:
      hooks:
        - {hookName: createRuntime, path: /bin/sh, args: [sh, -c, "echo no such driver >&2; exit 3"]}
  - name: late
    containerEdits:
      hooks: [{hookName: poststop, path: /bin/true}]
  - name: net
    containerEdits:
      env: [GPU=net]
  - name: readable
    containerEdits:
      deviceNodes: [{path: /dev/acme2, hostPath: /dev/zero, permissions: r}]
  - name: gone
    containerEdits:
      deviceNodes: [{path: /dev/acme3, hostPath: /dev/no-such-device}]
`

// cdiFolder writes a person's own CDI file and returns where its settings are
// and the folder that the file speaks of.
func (e *Env) cdiFolder(t *testing.T) (config, host string) {
	t.Helper()
	dir := e.Folder(t)
	config, host = filepath.Join(dir, "config"), filepath.Join(dir, "host")
	for _, d := range []string{filepath.Join(config, "cdi"), filepath.Join(host, "lib")} {
		e.Tool("mkdir", "-p", "-m", "777", d).Run(t).OK(t)
	}
	for d := dir; d != e.Dir && d != "/"; d = filepath.Dir(d) {
		e.Tool("chmod", "a+rx", d).Run(t).OK(t)
	}
	e.Tool("sh", "-c", "chmod 777 "+host+"; echo version > "+host+"/lib/version").Run(t).OK(t)
	file := filepath.Join(config, "cdi", "acme.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(cdiFile, "HOST", host)), 0o644); err != nil {
		t.Fatal(err)
	}
	return config, host
}

// A device that a vendor's file describes comes with its variables, mounts,
// groups and hooks.
func TestDeviceOfCDIFile(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		config, host := e.cdiFolder(t)
		run := func(args ...string) *Cmd { return e.Cmd(args...).Set("XDG_CONFIG_HOME=" + config) }
		name := e.Name(t)
		r := run("run", "--name", name, "--device", "acme.example/gpu=0", Image, "sh", "-c",
			"echo $DRIVER $GPU; echo x > /dev/acme0 && cat /opt/acme/version /etc/acme.conf; touch /opt/acme/x 2>/dev/null || echo read-only; id -G").Run(t)
		if got := r.OK(t); !strings.HasPrefix(got, "loaded zero\nversion\nhooked\nread-only\n0 ") || !strings.HasSuffix(got, " 44") {
			t.Errorf("got %q", got)
		}
		state, err := os.ReadFile(filepath.Join(host, "state"))
		if id := e.OK(t, "inspect", "-f", "{{.Id}}", name); err != nil || !strings.Contains(string(state), id) || !strings.Contains(string(state), `"status":"creating"`) {
			t.Errorf("the hook was told %q, %v", state, err)
		}
		e.Want(t, `[{"Driver":"cdi","Count":0,"DeviceIDs":["acme.example/gpu=0"],"Capabilities":null,"Options":null}] []`, "inspect", "-f",
			"{{json .HostConfig.DeviceRequests}} {{json .HostConfig.Devices}}", name)
		// What the file said when the container was made is what counts at each start.
		if err := os.Remove(filepath.Join(config, "cdi", "acme.yaml")); err != nil {
			t.Fatal(err)
		}
		if again := e.Run(t, "start", "-a", name).Exits(t, 0); !strings.Contains(again.Out, "hooked") {
			t.Error(again)
		}
	})
}

func TestGPUs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		config, _ := e.cdiFolder(t)
		run := func(args ...string) Result {
			t.Helper()
			return e.Cmd(append([]string{"run", "--rm"}, args...)...).Set("XDG_CONFIG_HOME=" + config).Run(t)
		}
		for _, tt := range []struct{ gpus, want string }{
			{"1", "zero acme0"}, {"2", "one acme0 acme1"}, {"device=1", "one acme1"}, {`"device=0,1"`, "one acme0 acme1"}, {"device=0,1,capabilities=utility", "one acme0 acme1"},
		} {
			got := run("--gpus", tt.gpus, Image, "sh", "-c", "echo $GPU $(ls /dev | grep acme)").OK(t)
			if got != tt.want {
				t.Errorf("%s: got %q", tt.gpus, got)
			}
		}
		name := e.Name(t)
		e.Cmd("create", "--name", name, "--gpus", "count=1,capabilities=compute", Image).Set("XDG_CONFIG_HOME=" + config).Run(t).OK(t)
		e.Want(t, `[{"Driver":"","Count":1,"DeviceIDs":null,"Capabilities":[["compute","gpu"]],"Options":{}}]`, "inspect", "-f", "{{json .HostConfig.DeviceRequests}}", name)
		for _, tt := range []struct {
			args  []string
			words []string
		}{
			{[]string{"--device", "acme.example/gpu=7"}, []string{"acme.example/gpu=7", "acme.example/gpu=0"}},
			{[]string{"--device", "other.example/tpu=all"}, []string{"other.example/tpu=all"}},
			{[]string{"--device", "acme.example/gpu=broken"}, []string{"/bin/sh", "no such driver"}},
			{[]string{"--device", "acme.example/gpu=late"}, []string{"poststop"}},
			{[]string{"--device", "acme.example/gpu=readable"}, []string{"cannot be enforced"}},
			{[]string{"--device", "acme.example/gpu=gone"}, []string{"/dev/no-such-device"}},
			{[]string{"--gpus", "several"}, []string{"several", "device=ID"}},
			{[]string{"--gpus", "count=0"}, []string{"count=0"}},
			{[]string{"--gpus", "1,device=0"}, []string{"not both"}},
			{[]string{"--gpus", "driver=nobody"}, []string{"nobody.com/gpu"}},
			{[]string{"--gpus", "capabilities=flying"}, []string{"flying"}},
		} {
			r := run(append(tt.args, Image, "true")...).Exits(t, 125).Says(t, tt.words...)
			if lines(r.Err) != 1 {
				t.Errorf("want one line: %s", r)
			}
		}
		e.Run(t, "run", "--rm", "--gpus", "all", Image, "true").Exits(t, 125).Says(t, "nvidia.com/gpu", "CDI")
	})
}

// A file of the host's, by bind, under its own name or another.
func TestDeviceOfHost(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		got := e.OK(t, "run", "--name", name, "--device", "/dev/null:/dev/nothing", "--device", "/dev/zero:/dev/naught:rw", Image, "sh", "-c",
			"echo x > /dev/nothing; head -c 3 /dev/naught | wc -c; stat -c %F /dev/nothing")
		if got != "3\ncharacter special file" {
			t.Errorf("got %q", got)
		}
		e.Want(t, `[{"PathOnHost":"/dev/null","PathInContainer":"/dev/nothing","CgroupPermissions":"rwm"},`+
			`{"PathOnHost":"/dev/zero","PathInContainer":"/dev/naught","CgroupPermissions":"rw"}]`, "inspect", "-f", "{{json .HostConfig.Devices}}", name)
		e.Run(t, "run", "--rm", "--device", "/dev/null:/dev/x:r", Image, "true").Exits(t, 125).Says(t, "cannot be enforced")
		e.Run(t, "run", "--rm", "--device", "null", Image, "true").Exits(t, 125).Says(t, "null", "absolute")
	})
}
