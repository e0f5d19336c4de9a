package store

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/storage"
)

// explain adds what to do about the errors of disks. Errors that crossed a
// process arrive as text only.
func explain(err error) error {
	is := func(errno unix.Errno) bool {
		return errors.Is(err, errno) || err != nil && strings.Contains(err.Error(), errno.Error())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return &told{"interrupted", err}
	case is(unix.ENOSPC):
		return fmt.Errorf("%w; free some space, for example with 'rl rmi'", oneLine(err))
	case is(unix.EDQUOT):
		return fmt.Errorf("%w; your disk quota is used up, remove something, for example with 'rl rmi'", oneLine(err))
	case is(unix.EROFS):
		return fmt.Errorf("%w; set XDG_DATA_HOME, or graphroot in storage.conf, to a folder that can be written", oneLine(err))
	}
	if m := unpackFailure.FindStringSubmatch(err.Error()); m != nil {
		return &told{fmt.Sprintf("layer %s cannot be unpacked: %s", m[1], cmp.Or(m[3], m[2])), err}
	}
	return oneLine(err)
}

// unpackFailure finds a layer's digest and what the child that unpacks it said
// about it: its error, and its output if it had any.
var unpackFailure = regexp.MustCompile(`(?s)(sha256:[0-9a-f]{12})[0-9a-f]*"?: unpacking failed \(error: (.*?); output: (.*?)\)(?: exhausting|$|\n)`)

// explainRegistry says what to do about an image that could not be pulled or
// pushed; verb is which of the two.
func explainRegistry(verb, name string, err error) error {
	r, bad := storage.ParseReference(name)
	if bad != nil {
		return bad
	}
	return explainHost(verb, name, r.Domain, err)
}

// explainHost is explainRegistry for what a registry was asked, whatever it was.
func explainHost(verb, name, host string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrPlatform):
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s of %s interrupted: %w", verb, name, context.Canceled)
	case isUnknown(err) && verb == "pull":
		return fmt.Errorf("%w: %s is not in the registry; check the name, the tag and the digest", ErrNoSuchImage, name)
	case isDenied(err):
		return fmt.Errorf("access to %s denied: it does not exist, or needs credentials ('rl login %s' stores them): %w", name, host, oneLine(err))
	case errors.Is(err, docker.ErrTooManyRequests):
		return fmt.Errorf("registry %s allows no more pulls for now: wait, or use credentials ('rl login' stores them)", host)
	case isPlainHTTP(err):
		return fmt.Errorf("registry %s speaks HTTP without TLS; to allow it, add to ~/.config/containers/registries.conf:  [[registry]] location=\"%s\" insecure=true", host, host)
	case isUntrusted(err):
		return fmt.Errorf("registry %s shows a certificate that this machine does not trust: put the CA's certificate into ~/.config/containers/certs.d/%s/ca.crt: %w", host, host, oneLine(err))
	case isUnreachable(err):
		return fmt.Errorf("registry %s cannot be reached: check the name, the network and HTTPS_PROXY: %w", host, oneLine(innermost(err)))
	case strings.Contains(err.Error(), "Digest did not match"), strings.Contains(err.Error(), "does not match provided manifest digest"):
		return fmt.Errorf("%s was damaged on the way or in the registry; nothing of it is kept, %s again: %w", name, verb, oneLine(err))
	case isPlatform(err):
		return fmt.Errorf("%w: %w", ErrPlatform, oneLine(err))
	}
	return explain(fmt.Errorf("%s of %s: %w", verb, name, err))
}

func isUnknown(err error) bool {
	var coder errcode.ErrorCoder
	if errors.As(err, &coder) {
		switch coder.ErrorCode() {
		case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown:
			return true
		}
	}
	var status docker.UnexpectedHTTPStatusError
	return errors.As(err, &status) && status.StatusCode == http.StatusNotFound
}

func isDenied(err error) bool {
	var coder errcode.ErrorCoder
	if errors.As(err, &coder) && (coder.ErrorCode() == errcode.ErrorCodeDenied || coder.ErrorCode() == errcode.ErrorCodeUnauthorized) {
		return true
	}
	var credentials docker.ErrUnauthorizedForCredentials
	return errors.As(err, &credentials)
}

func isPlainHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func isUnreachable(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	return errors.As(err, &op) || errors.As(err, &name) || errors.Is(err, context.DeadlineExceeded)
}

func isUntrusted(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

func isPlatform(err error) bool {
	return strings.Contains(err.Error(), "no image found in")
}

// innermost returns the error at the bottom, without the stories around it.
func innermost(err error) error {
	for {
		var op *net.OpError
		if errors.As(err, &op) {
			return op
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// oneLine keeps the text of an error to one line. What a child printed may have
// several.
func oneLine(err error) error {
	if err == nil || !strings.ContainsAny(err.Error(), "\n\r") {
		return err
	}
	return &told{strings.Join(strings.Fields(err.Error()), " "), err}
}

// told is an error in other words.
type told struct {
	text string
	err  error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.err }
