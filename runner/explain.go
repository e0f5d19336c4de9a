package runner

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/boot"
)

// explain turns the failure of a child into Docker's exit codes: 127 for a
// command that is not there, 126 for one that cannot be executed.
func explain(err error, name string) error {
	step := new(fork.StepError)
	executes := errors.As(err, &step) && boot.IsExecute(step.Step)
	if !executes && errors.Is(err, unix.ESRCH) { // the container that was to be entered
		return failf("%w", ErrNotRunning)
	}
	if step != nil && boot.IsWorkdir(step.Step) {
		return &StartError{Code: CodeNotExecutable, Text: err.Error() + ": make it, or name another with -w"}
	}
	if !executes {
		return failf("set up the process: %w", err)
	}
	switch {
	case errors.Is(err, unix.EACCES):
		return &StartError{Code: CodeNotExecutable, Text: fmt.Sprintf("exec: %q: permission denied", name)}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		if strings.Contains(name, "/") {
			return &StartError{Code: CodeNotFound, Text: fmt.Sprintf("exec: %q: no such file, or its interpreter is missing in the image", name)}
		}
		text := fmt.Sprintf("exec: %q: executable file not found in $PATH", name)
		if strings.HasPrefix(name, "-") {
			text += ": flags stand before the image or container"
		}
		return &StartError{Code: CodeNotFound, Text: text}
	case errors.Is(err, unix.ENOEXEC):
		return &StartError{Code: CodeNotExecutable, Text: fmt.Sprintf("exec: %q: not a program of this machine's kind (exec format error)", name)}
	}
	return &StartError{Code: CodeNotExecutable, Text: fmt.Sprintf("exec: %q: %v", name, step.Err)}
}
