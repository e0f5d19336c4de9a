package volume

import "errors"

// Errors that callers tell apart.
var (
	// ErrNotFound is wrapped when no volume has a name.
	ErrNotFound = errors.New("no such volume")
	// ErrInUse is wrapped when a volume that containers use was to be removed.
	ErrInUse = errors.New("volume is in use")
	// ErrInvalidName is wrapped by errors about what cannot be a volume's name.
	ErrInvalidName = errors.New("invalid volume name")
	// ErrOption is wrapped by errors about an option of the local driver.
	ErrOption = errors.New("volume option")
	// ErrConflict is wrapped when a volume with other options has the name.
	ErrConflict = errors.New("a volume with other options has this name")
)
