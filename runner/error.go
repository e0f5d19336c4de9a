package runner

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart.
var (
	// ErrDamaged is wrapped when a container's files are not what rl has written.
	ErrDamaged = errors.New("container is damaged")
	// ErrNotFound is wrapped when no container has a name or id.
	ErrNotFound = errors.New("no such container")
	// ErrAmbiguous is wrapped when several ids begin as the person typed.
	ErrAmbiguous = errors.New("several containers have an id that begins so")
	// ErrNameInUse is wrapped when another container has the name.
	ErrNameInUse = errors.New("name is already in use")
	// ErrRunning is wrapped by what can only be done to a stopped container.
	ErrRunning = errors.New("container is running")
	// ErrNotRunning is wrapped by what can only be done to a running container.
	ErrNotRunning = errors.New("container is not running")
	// ErrPaused is wrapped by what a paused container cannot do.
	ErrPaused = errors.New("container is paused")
	// ErrNotPaused is wrapped when what is to be unpaused is not paused.
	ErrNotPaused = errors.New("container is not paused")
	// ErrRestarting is returned for what needs a running container, while its
	// restart policy is about to start it again.
	ErrRestarting = errors.New("container is restarting: wait until it runs, or stop it")
)

// Exit codes of Docker's command line for a container that did not start.
const (
	CodeFailed        = 125 // rl itself failed
	CodeNotExecutable = 126 // the command is there and cannot be executed
	CodeNotFound      = 127 // the command is not there
)

// StartError says why a container's command was not started, and with what
// exit code `run` ends.
type StartError struct {
	Code int
	Text string
	kind error // a sentinel of this package, nil for none
}

func (e *StartError) Error() string { return e.Text }
func (e *StartError) Unwrap() error { return e.kind }

// sentinels are the errors that a monitor's reply can be told apart by.
func sentinels() []error {
	return []error{ErrDamaged, ErrNotFound, ErrAmbiguous, ErrNameInUse, ErrRunning, ErrNotRunning, ErrPaused, ErrNotPaused, ErrRestarting}
}

// sentinel returns the error of this package whose text is given, or nil.
func sentinel(text string) error {
	for _, known := range sentinels() {
		if text == known.Error() {
			return known
		}
	}
	return nil
}

// kindOf returns the text of the sentinel that err wraps, "" for none.
func kindOf(err error) string {
	for _, known := range sentinels() {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return ""
}

// failf makes an error of rl's own, with the exit code for that.
func failf(format string, args ...any) *StartError {
	err := fmt.Errorf(format, args...)
	return &StartError{Code: CodeFailed, Text: err.Error(), kind: sentinel(kindOf(err))}
}
