package runner

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/spec"
)

// A profile's flags go to the kernel with its program, or are refused.
func TestFilterHasTheFlagsOfTheProfile(t *testing.T) {
	filter := func(flags ...specs.LinuxSeccompFlag) (uint, error) {
		s := &specs.Spec{Linux: &specs.Linux{Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: flags}}}
		if err := spec.SetFacts(s, spec.Facts{Seccomp: spec.SeccompProfile}); err != nil {
			t.Fatal(err)
		}
		f, err := filterOf(s)
		if err == nil && len(f.Program) == 0 {
			t.Error("no program")
		}
		return f.Flags, err
	}
	if got, err := filter(specs.LinuxSeccompFlagLog); err != nil || got != unix.SECCOMP_FILTER_FLAG_LOG {
		t.Errorf("%#x, %v", got, err)
	}
	if got, err := filter(); err != nil || got != 0 {
		t.Errorf("%#x, %v", got, err)
	}
	if _, err := filter(specs.LinuxSeccompFlagWaitKillableRecv); err == nil {
		t.Error("a flag for a listener, which there is not, was taken")
	}
}
