package store

import "errors"

var (
	// ErrNoSuchImage is wrapped when a reference names nothing that is stored.
	ErrNoSuchImage = errors.New("no such image")
	// ErrInUse is wrapped when containers keep an image from being removed.
	ErrInUse = errors.New("image is being used")
	// ErrAmbiguous is wrapped when a removal by id would take several names.
	ErrAmbiguous = errors.New("image has several names")
	// ErrArchive is wrapped when a file is not an archive that Load takes.
	ErrArchive = errors.New("not an image archive")
	// ErrChange is wrapped for a configuration change that cannot be read.
	ErrChange = errors.New("invalid change")
	// ErrPlatform is wrapped for a platform that is not OS[/ARCH[/VARIANT]],
	// or that an image does not have.
	ErrPlatform = errors.New("wrong platform")
)
