package integration

import (
	"fmt"
	"testing"
)

// A container's root is the person who owns the program: where /proc leads to
// the program's file, it must not be open for writing, or a container could
// leave its own program behind for the next command to run (CVE-2019-5736).
func TestContainerCannotOverwriteTheProgram(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Run(t, "run", "--rm", "--init", "--network", "none", Image, "sh", "-c", "echo x > /proc/1/exe").
			Says(t, "Read-only file system")
		// A container whose command is its own starter becomes rl in there.
		e.Run(t, "run", "--rm", "--network", "none", Image, "/proc/self/exe", "version").OK(t)
	})
}

// An image can name a folder below /proc/self/fd. No descriptor of the monitor's
// may be behind it: folders among them lead out of the container
// (CVE-2024-21626).
func TestWorkdirLeadsThroughNoDescriptor(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		run := func(dir string) Result { return e.Run(t, "run", "--rm", "--network", "none", "-w", dir, Image, "pwd") }
		run("/proc/self/root").Exits(t, 125).Says(t, "too many levels of symbolic links")
		for fd := range 40 {
			run(fmt.Sprintf("/proc/self/fd/%d", fd)).Exits(t, 125)
		}
	})
}
