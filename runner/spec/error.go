package spec

import "errors"

var (
	// ErrNotBuilt is that of a runtime-spec value which Build did not make.
	ErrNotBuilt = errors.New("not a container description of rl")
	// ErrNoCommand is that of a container without anything to run: neither image nor user named a command.
	ErrNoCommand = errors.New("no command specified: name one after the image")
	// ErrNoUser is that of a user or group which the image does not know.
	ErrNoUser = errors.New("unable to find user")
	// ErrNeedsRoot is that of an option which an unprivileged user can never be given.
	ErrNeedsRoot = errors.New("not possible without root")
)
