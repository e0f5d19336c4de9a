package seccomp

import (
	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Load reads a profile in Docker's JSON format and resolves its conditions for this machine: its architecture,
// its kernel and the capabilities (CAP_ names) that the container will have.
func Load(text []byte, caps []string) (*specs.LinuxSeccomp, error) {
	return seccomp.LoadProfile(string(text), withCapabilities(caps))
}

func defaultProfile(caps []string) (*specs.LinuxSeccomp, error) {
	return seccomp.GetDefaultProfile(withCapabilities(caps))
}

// withCapabilities is the one field of a runtime-spec value that profiles look at.
func withCapabilities(caps []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
}
