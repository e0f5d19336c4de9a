package slirp

import "errors"

// Errors that callers tell apart. The text around them names the port or the
// address and the way out.
var (
	ErrPortSpec     = errors.New("invalid port mapping")
	ErrPortInUse    = errors.New("port is already in use")
	ErrLowPort      = errors.New("port is reserved for root")
	ErrAddress      = errors.New("address is not available")
	ErrEgress       = errors.New("invalid egress policy")
	ErrUnrestricted = errors.New("the running network process is of an older version and enforces no egress policy: stop all containers, which ends it some seconds later, and start them again")
	ErrNotAttached  = errors.New("container is not attached")
	ErrClosed       = errors.New("network client is closed")
)

// ByContainer stands between an ErrPortInUse and the name of the container that
// has the port.
const ByContainer = " by container "

// codes are the names under which sentinels travel from the network process.
var codes = map[string]error{
	"port-in-use":  ErrPortInUse,
	"low-port":     ErrLowPort,
	"address":      ErrAddress,
	"not-attached": ErrNotAttached,
}

// Code returns the name under which err's sentinel travels in a Reply; empty
// for any other error.
func Code(err error) string {
	for code, sentinel := range codes {
		if errors.Is(err, sentinel) {
			return code
		}
	}
	return ""
}

// remoteError is an error of the network process: its text, and the sentinel
// that it was there.
type remoteError struct {
	text     string
	sentinel error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.sentinel }

// Err returns the error in the reply, nil if there is none. errors.Is finds
// the sentinel that the network process meant.
func (r *Reply) Err() error {
	if r.Error == "" {
		return nil
	}
	return &remoteError{text: r.Error, sentinel: codes[r.Code]}
}
