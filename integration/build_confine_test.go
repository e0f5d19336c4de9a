package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noMkdir is a profile that forbids one call.
const noMkdir = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}`

// What --security-opt says holds for RUN, and decides its result.
func TestBuildSecurityOptions(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"no-mkdir.json": noMkdir, "broken.json": "{",
			"Dockerfile": "FROM alpine:3.20\nRUN grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; mkdir /made || echo forbidden\n"})
		if err := os.Chmod(dir, 0o700); err != nil { // root's is closed to the user namespace
			t.Fatal(err)
		}
		profile := filepath.Join(dir, "no-mkdir.json")
		build := func(args ...string) Result {
			t.Helper()
			return e.Run(t, append(append([]string{"build", "--progress=plain"}, args...), dir)...).Exits(t, 0)
		}
		build().Says(t, "NoNewPrivs:\t0", "Seccomp:\t2")
		build("--security-opt", "no-new-privileges").Says(t, "NoNewPrivs:\t1", "Seccomp:\t2")
		build("--security-opt", "seccomp=unconfined").Says(t, "Seccomp:\t0")
		build("--security-opt", "seccomp="+profile).Says(t, "Seccomp:\t2", " forbidden\n")
		build("--security-opt", "seccomp="+profile).Says(t, "CACHED")
		if err := os.WriteFile(profile, []byte(strings.Replace(noMkdir, `"mkdir",`, `"mkdir","chmod",`, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		build("--security-opt", "seccomp="+profile).Says(t, " forbidden\n")
		build("--security-opt", "label=disable", "--security-opt", "apparmor=unconfined").Says(t, "label=disable", "changes nothing")
		for option, says := range map[string]string{
			"seccomp=/no/such/file": "/no/such/file", "seccomp=" + filepath.Join(dir, "broken.json"): "broken.json", "seccomp=": "unconfined",
			"apparmor=mine": "AppArmor", "no-new-privileges=perhaps": "perhaps", "credentialspec=x": "credentialspec",
		} {
			r := e.Run(t, "build", "--security-opt", option, dir).Exits(t, 125).Says(t, says)
			if lines(r.Err) != 1 {
				t.Errorf("want one line: %s", r)
			}
		}
	})
}

// The processes of RUN lie where --cgroup-parent says, and nothing of it stays.
func TestBuildCgroupParent(t *testing.T) {
	Need(t, Superuser)
	e := Fresh(t, RootAccount)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	dir := e.context(t, map[string]string{"Dockerfile": "FROM " + Image + "\nRUN sleep 987\n"})
	script := `
mount -t cgroup2 none /sys/fs/cgroup || exit 77
"` + e.Prog + `" build --network none --cgroup-parent ../elsewhere "` + dir + `" || echo refused $?
"` + e.Prog + `" build --network none --cgroup-parent jobs-of-a-build/night "` + dir + `" & build=$!
inside() { find /sys/fs/cgroup/jobs-of-a-build/night -name cgroup.procs -exec cat {} + 2>/dev/null; }
until for p in $(inside); do tr '\0' ' ' </proc/$p/cmdline 2>/dev/null; done | grep -q 'sleep 987'; do
	kill -0 $build || exit 1
	sleep 0.1
done
echo found
kill $build
wait $build
echo ended $?
"` + e.Prog + `" run --rm --network none ` + Image + ` true # the next one sweeps
ls -d /sys/fs/cgroup/jobs-of-a-build 2>/dev/null
exit 0`
	r := e.Tool("unshare", "-m", "sh", "-c", script).Run(t).Exits(t, 0).Says(t, "../elsewhere")
	if got := strings.Join(strings.Fields(r.Out), " "); got != "refused 125 found ended 130" {
		t.Errorf("got %q: %s", got, r)
	}
}

// Where nothing is delegated the flag is refused before anything is built.
func TestBuildCgroupParentRefused(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"})
		e.Run(t, "build", "-t", "refused", "--cgroup-parent", "../elsewhere", dir).Exits(t, 125).Says(t, "elsewhere", "control group")
		e.Run(t, "image", "inspect", "refused").Exits(t, 1)
	})
}
