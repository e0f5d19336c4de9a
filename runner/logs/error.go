package logs

import "errors"

var (
	// ErrNotKept is returned where output is asked for that the driver none
	// threw away.
	ErrNotKept = errors.New("the container's log driver is none: its output was not kept")

	// ErrOption is wrapped by errors about --log-driver and --log-opt.
	ErrOption = errors.New("log option")

	errDropped = errors.New("output came faster than the disk takes it and was dropped, as mode=non-blocking asks")

	errHalted   = errors.New("the log was closed or rotated")
	errFollowed = errors.New("a reader has not gone on")

	errDamaged = errors.New("not an entry of a log")
)
