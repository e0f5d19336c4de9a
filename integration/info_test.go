package integration

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestInfo(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		version := e.OK(t, "version", "-f", "{{.Server.Version}}")
		data := e.Data()
		if e.Account.Root() {
			data = "/var/lib/rl" // over which the harness mounts it
		}
		e.Want(t, version+" "+data, "info", "-f", "{{.ServerVersion}} {{.DockerRootDir}}")
		for _, template := range []string{"{{.Images}}", "{{.Containers}}", "{{.ContainersStopped}}", "{{.NCPU}}", "{{.MemTotal}}"} {
			if n, err := strconv.Atoi(e.OK(t, "info", "--format", template)); err != nil || n < 1 {
				t.Errorf("%s: %d, %v", template, n, err)
			}
		}
		rootless := strings.Contains(e.OK(t, "info", "-f", "{{.SecurityOptions}}"), "name=rootless")
		if rootless == e.Account.Root() {
			t.Errorf("rootless is %v", rootless)
		}
		if driver := e.OK(t, "info", "-f", "{{.Driver}}"); driver != "overlay" && driver != "fuse-overlayfs" {
			t.Errorf("driver %q", driver)
		}
		text := e.OK(t, "info")
		for _, line := range []string{
			" Server Version: " + version, " Docker Root Dir: " + data, " Storage Driver: ", " Cgroup Version: ", "  Running: ", "   Profile: builtin",
		} {
			if !strings.Contains(text, "\n"+line) {
				t.Errorf("no %q in\n%s", line, text)
			}
		}
		if text := e.OK(t, "info", "--format", "json"); !json.Valid([]byte(text)) {
			t.Error(text)
		}
	})
}
