package spec

import (
	"slices"
	"strings"
)

// CapabilityNames are all capabilities that are known here, CAP_ in front, at
// the index that is their number.
func CapabilityNames() []string { return allCapabilities(0) }

// CapabilityNumber is the kernel's number of a capability named as in a
// runtime-spec value, -1 for none.
func CapabilityNumber(name string) int {
	return slices.Index(capabilityNames(), strings.TrimPrefix(name, "CAP_"))
}

// RlimitNumber is the kernel's number of a resource named as in a runtime-spec
// value, RLIMIT_NOFILE for example.
func RlimitNumber(name string) int {
	return rlimitNumbers()[strings.ToLower(strings.TrimPrefix(name, "RLIMIT_"))]
}
