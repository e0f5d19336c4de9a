package store

import (
	"fmt"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// architectures maps the names that uname and people use to Go's.
var architectures = map[string]string{
	"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "armhf": "arm", "armel": "arm",
}

// ParsePlatform reads OS[/ARCH[/VARIANT]], or an architecture alone, for Linux.
func ParsePlatform(s string) (ispec.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	for _, part := range parts {
		if part == "" || strings.Contains("._-", part[:1]) || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return ispec.Platform{}, badPlatform(s)
		}
	}
	if len(parts) == 1 && parts[0] != "linux" {
		parts = []string{"linux", parts[0]}
	}
	if len(parts) > 3 {
		return ispec.Platform{}, badPlatform(s)
	}
	if parts[0] != "linux" {
		return ispec.Platform{}, fmt.Errorf("%w: %q: only Linux images can run here", ErrPlatform, s)
	}
	parts = append(parts, "", "")
	p := ispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
	if name, ok := architectures[p.Architecture]; ok {
		p.Architecture = name
	}
	return p, nil
}

func badPlatform(s string) error {
	return fmt.Errorf("%w: %q is not like linux/arm64 or linux/arm/v7", ErrPlatform, s)
}

// matches reports whether an image's platform is the one that is wanted. Many
// images leave out the variant.
func matches(want, is ispec.Platform) bool {
	return want.OS == is.OS &&
		(want.Architecture == "" || want.Architecture == is.Architecture) &&
		(want.Variant == "" || is.Variant == "" || want.Variant == is.Variant)
}
