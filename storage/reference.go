package storage

import (
	"fmt"
	"strings"
)

const (
	defaultDomain = "docker.io"
	officialPath  = "library/"
	defaultTag    = "latest"
	maxNameLength = 255
	maxTagLength  = 128
)

// Reference is an image name taken apart. Domain and Path are always set; Tag
// and Digest may be empty.
type Reference struct {
	Domain string // "docker.io", "localhost:5000"
	Path   string // "library/alpine"
	Tag    string // "latest"
	Digest string // "sha256:..."
}

// ParseReference takes an image name apart by the grammar of the distribution
// specification. A name without a registry is Docker Hub's. No tag is added.
func ParseReference(s string) (Reference, error) {
	r, problem := parseReference(s)
	if problem != "" {
		return Reference{}, fmt.Errorf("%w: %q %s", ErrInvalidReference, s, problem)
	}
	return r, nil
}

// NormalizeReference returns the complete form of an image name:
// "alpine" becomes "docker.io/library/alpine:latest". A digest makes a tag
// beside it meaningless, so the tag is dropped, as Docker does.
func NormalizeReference(s string) (string, error) {
	r, err := ParseReference(s)
	if err != nil {
		return "", err
	}
	return r.WithDefaultTag().String(), nil
}

// WithDefaultTag returns r with the tag "latest" if it has neither tag nor
// digest, and without its tag if it has both.
func (r Reference) WithDefaultTag() Reference {
	if r.Digest != "" {
		r.Tag = ""
	} else if r.Tag == "" {
		r.Tag = defaultTag
	}
	return r
}

// Name returns registry and path: "docker.io/library/alpine".
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// String returns the complete reference.
func (r Reference) String() string { return r.Name() + r.suffix() }

// FamiliarName returns the name as people write it: "alpine".
func (r Reference) FamiliarName() string {
	if r.Domain != defaultDomain {
		return r.Name()
	}
	if rest, ok := strings.CutPrefix(r.Path, officialPath); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return r.Path
}

// Familiar returns the reference as people write it: "alpine:3.20".
func (r Reference) Familiar() string { return r.FamiliarName() + r.suffix() }

func (r Reference) suffix() string {
	s := ""
	if r.Tag != "" {
		s = ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// parseReference returns the parts of s, or what is wrong with it.
func parseReference(s string) (r Reference, problem string) {
	rest, digest, hasDigest := strings.Cut(s, "@")
	if hasDigest && !isDigest(digest) {
		return r, "has a digest that is not like sha256:0123..."
	}
	r.Digest = digest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.Contains(rest[i:], "/") {
		r.Tag, rest = rest[i+1:], rest[:i]
		if !isTag(r.Tag) {
			return r, "has a tag that is not one of letters, digits, '_', '.' and '-'"
		}
	}
	if rest == "" {
		return r, "has no name"
	}
	if isHex(rest) && len(rest) == 64 {
		return r, "is an image id and cannot be a name"
	}
	r.Domain, r.Path = splitDomain(rest)
	if !isDomain(r.Domain) {
		return r, "names a registry that is not a host name"
	}
	if !isPath(r.Path) {
		if isPath(strings.ToLower(r.Path)) {
			return r, "must be lowercase"
		}
		return r, "is not a name of lowercase letters, digits, '.', '_', '-' and '/'"
	}
	if len(r.Domain)+1+len(r.Path) > maxNameLength {
		return r, fmt.Sprintf("is longer than %d characters", maxNameLength)
	}
	return r, ""
}

// splitDomain separates the registry from the path. What stands before the
// first slash is a registry only if it cannot be a part of a Docker Hub name.
func splitDomain(name string) (domain, path string) {
	first, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		domain, path = defaultDomain, name
	} else {
		domain, path = first, rest
	}
	if domain == "index.docker.io" {
		domain = defaultDomain
	}
	if domain == defaultDomain && !strings.Contains(path, "/") {
		path = officialPath + path
	}
	return domain, path
}

// isDomain reports whether s is a host name or an IPv4 address, with a port or
// without. The library that pulls takes no IPv6 addresses.
func isDomain(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	return isHost(host) && (!hasPort || isDigits(port))
}

func isHost(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !only(label, isHostByte) {
			return false
		}
	}
	return true
}

func isPath(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if !isPathPart(part) {
			return false
		}
	}
	return true
}

// isPathPart reports whether s is runs of letters and digits with one '.', one
// or two '_', or any number of '-' between them.
func isPathPart(s string) bool {
	if s == "" || !isLowerAlnum(s[0]) || !isLowerAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isLowerAlnum(s[i]) {
			i++
			continue
		}
		start := i
		for !isLowerAlnum(s[i]) {
			i++
		}
		switch sep := s[start:i]; {
		case sep == ".", sep == "_", sep == "__", strings.Trim(sep, "-") == "":
		default:
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	return s != "" && len(s) <= maxTagLength && s[0] != '.' && s[0] != '-' && only(s, isTagByte)
}

// isDigest reports whether s is an algorithm and at least 128 bits. The two
// algorithms in use have a fixed length.
func isDigest(s string) bool {
	algorithm, sum, ok := strings.Cut(s, ":")
	if !ok || !isHex(sum) {
		return false
	}
	switch algorithm {
	case "sha256":
		return len(sum) == 64
	case "sha384":
		return len(sum) == 96
	case "sha512":
		return len(sum) == 128
	}
	return false
}

// isImageID reports whether s is a whole image id, with or without "sha256:".
func isImageID(s string) bool {
	s = trimID(s)
	return len(s) == 64 && isHex(s)
}

// IDPrefix returns the digits of an image id or of the beginning of one, and
// whether ref can be that.
func IDPrefix(ref string) (digits string, ok bool) {
	return trimID(ref), isIDPrefix(ref)
}

// isIDPrefix reports whether s may be the beginning of an image id.
func isIDPrefix(s string) bool {
	s = trimID(s)
	return s != "" && len(s) <= 64 && isHex(s)
}

func trimID(s string) string { return strings.TrimPrefix(s, "sha256:") }

func only(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	return s != "" && only(s, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' })
}

func isDigits(s string) bool {
	return s != "" && only(s, func(c byte) bool { return c >= '0' && c <= '9' })
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
func isAlnum(c byte) bool      { return isLowerAlnum(c) || c >= 'A' && c <= 'Z' }
func isHostByte(c byte) bool   { return isAlnum(c) || c == '-' }
func isTagByte(c byte) bool    { return isAlnum(c) || c == '_' || c == '.' || c == '-' }
