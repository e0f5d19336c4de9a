package integration

import (
	"strings"
	"testing"
)

// A container lies where --cgroup-parent says, below what is delegated; what
// was made for it goes with it. The tree has no controllers here, so it is
// only about places; the virtual machine has limits.
func TestCgroupParent(t *testing.T) {
	Need(t, Superuser)
	e := Fresh(t, RootAccount)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	script := `
mount -t cgroup2 none /sys/fs/cgroup || exit 77
rl() { "` + e.Prog + `" "$@"; }
rl run --rm --cgroup-parent rl-test-jobs --cgroupns host --network none ` + Image + ` true 2>/dev/null && echo forbidden
rl run --rm --cgroup-parent jobs-of-a-test/night --cgroupns host --network none ` + Image + ` sed -n s/^0:://p /proc/self/cgroup
rl create --name late --cgroup-parent jobs-of-a-test --network none --cgroupns host ` + Image + ` sed -n s/^0:://p /proc/self/cgroup >/dev/null
rl start -a late
rl inspect -f '{{.HostConfig.CgroupParent}}' late
rl run --rm --cgroup-parent ../elsewhere --network none ` + Image + ` true || echo refused $?
rl rm late >/dev/null
rl run --rm --network none ` + Image + ` true # the next one sweeps
ls -d /sys/fs/cgroup/jobs-of-a-test 2>/dev/null
exit 0`
	r := e.Tool("unshare", "-m", "sh", "-c", script).Run(t).Exits(t, 0).Says(t, "../elsewhere")
	got := strings.Split(strings.TrimSpace(r.Out), "\n")
	want := []string{"/jobs-of-a-test/night/", "/jobs-of-a-test/", "jobs-of-a-test", "refused 125"}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d is %q", i, got[i])
		}
	}
}

// Where nothing is delegated, and where the place is not one's own, the flag is
// refused by name.
func TestCgroupParentRefused(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Run(t, "run", "--rm", "--cgroup-parent", "../elsewhere", Image, "true").Exits(t, 125).Says(t, "elsewhere", "control group")
	})
}
