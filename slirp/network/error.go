package network

import "errors"

// Errors that callers tell apart.
var (
	// ErrNotFound is wrapped when no network has a name or an id.
	ErrNotFound = errors.New("no such network")
	// ErrExists is wrapped when the name is taken.
	ErrExists = errors.New("network already exists")
	// ErrInUse is wrapped when a network that running containers are on was to be removed.
	ErrInUse = errors.New("network has active endpoints")
	// ErrBuiltIn is wrapped when a network that is always there was to be removed.
	ErrBuiltIn = errors.New("network is always there and cannot be removed")
	// ErrInvalid is wrapped by errors about what was asked of a network.
	ErrInvalid = errors.New("invalid network")
)
