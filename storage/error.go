package storage

import "errors"

var (
	// ErrNotResolved is returned when what is known of a reference is missing
	// or out of date. The way out is to run the resolver (package store), which
	// asks the image store itself, and to look again.
	ErrNotResolved = errors.New("image is not resolved")
	// ErrInvalidReference is wrapped by errors about a malformed image name.
	ErrInvalidReference = errors.New("invalid reference format")
	// ErrNotExecutable is wrapped by errors about images for other machines.
	ErrNotExecutable = errors.New("wrong platform")
	// ErrTooManyLayers is returned when the mount options of an image do not
	// fit the one page that mount(2) takes.
	ErrTooManyLayers = errors.New("image has too many layers for one mount")
)
