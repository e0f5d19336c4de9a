package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// freeFile has devices that its file lets everybody have, in classes.
const freeFile = `cdiVersion: "0.6.0"
kind: free.example/card
annotations: {org.mobyproject.buildkit.device.autoallow: "true"}
devices:
  - {name: a, containerEdits: {env: [A=1]}}
  - {name: b, annotations: {org.mobyproject.buildkit.device.class: fast}, containerEdits: {env: [B=1]}}
  - {name: c, annotations: {org.mobyproject.buildkit.device.autoallow: "false"}, containerEdits: {env: [C=1]}}
`

// RUN --device gives what CDI files describe, to a Dockerfile that may have it.
func TestBuildDevices(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		config, host := e.cdiFolder(t)
		if err := os.WriteFile(filepath.Join(config, "cdi", "free.yaml"), []byte(freeFile), 0o644); err != nil {
			t.Fatal(err)
		}
		build := func(file string, args ...string) Result {
			t.Helper()
			dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\n" + file})
			return e.Cmd(append(append([]string{"build", "--progress=plain"}, args...), dir)...).Set("XDG_CONFIG_HOME=" + config).Run(t)
		}
		whole := "RUN --device=acme.example/gpu=0,required echo $DRIVER $GPU; echo x >/dev/acme0 && cat /opt/acme/version /etc/acme.conf; id -G\n" +
			"RUN env | grep GPU || ls /opt\n"
		for _, right := range []string{"device", "device=acme.example/gpu=0"} {
			r := build(whole, "--no-cache", "--allow", right).Exits(t, 0).Says(t, " loaded zero\n", " version\n", " hooked\n", " 44\n")
			if _, err := os.Stat(filepath.Join(host, "state")); err != nil {
				t.Errorf("the hook was told nothing: %v: %s", err, r)
			}
		}
		build("RUN --device=acme.example/gpu=0,required cat /opt/acme/version\nRUN test ! -e /opt/acme\n", "--allow", "device").Exits(t, 0)
		build(whole, "--allow", "device").Exits(t, 0).Says(t, "CACHED")
		for _, args := range [][]string{nil, {"--allow", "device=acme.example/gpu=1"}} {
			build(whole, args...).Exits(t, 1).Says(t, "Dockerfile:2", "--allow device=acme.example/gpu=0")
		}
		env := "sh -c 'echo got $A$B$C. $(env | grep -c ^[ABC]=1)'\n"
		for device, want := range map[string]string{
			"free.example/card": "got 1. 1", "free.example/card=b": "got 1. 1", "fast": "got 1. 1", "none.example/x=y": "got . 0",
		} {
			r := build("RUN --device="+device+" "+env, "--no-cache").Exits(t, 0).Says(t, want)
			if device == "none.example/x=y" {
				r.Says(t, "WARN: there is no device none.example/x=y")
			}
		}
		build("RUN --device=free.example/card=* "+env).Exits(t, 1).Says(t, "card=c is not allowed")
		build("RUN --device=free.example/card=* "+env, "--allow", "device").Exits(t, 0).Says(t, "got 111. 3")
		build("RUN --device=none.example/x=y,required "+env, "--allow", "device").Exits(t, 1).Says(t, "none.example/x=y", "free.example/card=a")
		build("RUN --device=acme.example/gpu=broken true\n", "--allow", "device").Exits(t, 1).Says(t, "no such driver")
		build("RUN --device=acme.example/gpu=gone true\n", "--allow", "device").Exits(t, 1).Says(t, "/dev/no-such-device")
		build("RUN true\n", "--allow", "device=").Exits(t, 125).Says(t, "device=NAME")
	})
}

// A device that is another in the CDI files now is another step.
func TestBuildDevicesDecideTheCache(t *testing.T) {
	e := AsUser(t)
	config := filepath.Join(e.Folder(t), "config")
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --device=free.example/card=a echo is $A\n"})
	for _, value := range []string{"one", "two"} {
		e.Tool("sh", "-c", "mkdir -p $0/cdi && cat >$0/cdi/free.yaml", config).
			Input("cdiVersion: 0.6.0\nkind: free.example/card\ndevices: [{name: a, containerEdits: {env: [A=" + value + "]}}]\n").Run(t).OK(t)
		e.Cmd("build", "--progress=plain", "--allow", "device", dir).Set("XDG_CONFIG_HOME="+config).Run(t).Exits(t, 0).Says(t, " is "+value+"\n")
	}
}
