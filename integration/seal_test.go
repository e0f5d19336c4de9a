package integration

import "testing"

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
