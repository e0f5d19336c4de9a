package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// helper builds one of the programs that the tests run in containers, whatever
// image these have, and returns its path.
func (e *Env) helper(t *testing.T, name string) (program string) {
	t.Helper()
	program = filepath.Join(e.Folder(t), name)
	if err := compile(program, "build", "./integration/"+name); err != nil {
		t.Fatal(err)
	}
	return program
}

// probe runs the program that makes forbidden system calls in a container and
// returns what each gave.
func probe(t *testing.T, e *Env, flags ...string) map[string]string {
	t.Helper()
	args := append([]string{"run", "--rm", "-v", e.helper(t, "probe") + ":/probe:ro"}, flags...)
	gave := map[string]string{}
	for line := range strings.Lines(e.OK(t, append(args, Image, "/probe")...)) {
		name, result, _ := strings.Cut(strings.TrimSpace(line), ": ")
		gave[name] = result
	}
	return gave
}

// What Docker's profile forbids is EPERM, whatever the arguments; clone3 and
// what the profile does not know are ENOSYS, for the C library to fall back.
func TestSeccompDefault(t *testing.T) {
	others := map[string]string{
		"clone3":               "ENOSYS",
		"a call of the future": "ENOSYS",
		"getpid":               "ok",
		"openat":               "EFAULT",
		"ptrace":               "ESRCH",
		"statx":                "EINVAL",
		"socket(AF_VSOCK)":     "operation not permitted",
	}
	Each(t, func(t *testing.T, e *Env) {
		gave := probe(t, e)
		if len(gave) < 30 {
			t.Fatalf("the probe printed only %v", gave)
		}
		for name, got := range gave {
			want := "EPERM"
			if o, ok := others[name]; ok {
				want = o
			}
			if got != want {
				t.Errorf("%s gave %s, want %s", name, got, want)
			}
		}
	})
}

// Without the profile the same calls reach the kernel, which shows that it was
// the profile that forbade them. The capabilities are the same.
func TestSeccompUnconfined(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		gave := probe(t, e, "--security-opt", "seccomp=unconfined")
		for _, name := range []string{"add_key", "clone3", "keyctl", "setns", "unshare", "io_uring_setup", "settimeofday"} {
			if gave[name] == "EPERM" || gave[name] == "" {
				t.Errorf("%s gave %q without a profile", name, gave[name])
			}
		}
	})
}
