package cdi

import (
	"strconv"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
	"tags.cncf.io/container-device-interface/pkg/parser"
)

// Annotations of CDI files that BuildKit knows: the class of a device, and whether
// a Dockerfile may have it without being allowed to.
const (
	classAnnotation = "org.mobyproject.buildkit.device.class"
	allowAnnotation = "org.mobyproject.buildkit.device.autoallow"
)

// Match is a device that a Dockerfile asks for.
type Match struct {
	Name string // VENDOR/CLASS=NAME
	// Free says that its file lets every Dockerfile have it.
	Free bool
}

// Matches returns the devices in the CDI files of dirs that a word of RUN --device
// stands for: VENDOR/CLASS=NAME, VENDOR/CLASS for the first of these, VENDOR/CLASS=*
// for all of them, or the class that annotations give devices. There may be none.
func Matches(dirs []string, word string) ([]Match, error) {
	cache, err := cdi.NewCache(cdi.WithSpecDirs(dirs...), cdi.WithAutoRefresh(false))
	if err != nil {
		return nil, err
	}
	f := finder{cache, dirs, cache.ListDevices()}
	var found []Match
	for _, name := range f.matching(word) {
		free, _ := strconv.ParseBool(f.annotation(name, allowAnnotation))
		found = append(found, Match{name, free})
	}
	return found, nil
}

func (f finder) matching(word string) (names []string) {
	kind, name, _ := strings.Cut(word, "=")
	if vendor, _ := parser.ParseQualifier(kind); vendor != "" {
		names = f.ofKind(kind, name)
	}
	if len(names) > 0 {
		return names
	}
	for _, d := range f.known {
		if f.annotation(d, classAnnotation) == word {
			names = append(names, d)
		}
	}
	return names
}

// ofKind are the devices VENDOR/CLASS=NAME of a kind: the first for no name, all for *.
func (f finder) ofKind(kind, name string) (names []string) {
	for _, d := range f.known {
		if base, ok := strings.CutPrefix(d, kind+"="); ok && (name == "" || name == "*" || name == base) {
			names = append(names, d)
		}
	}
	if name == "" && len(names) > 1 {
		names = names[:1]
	}
	return names
}

// annotation is that of a device, or else of the file that it is in.
func (f finder) annotation(device, key string) string {
	d := f.cache.GetDevice(device)
	if value, ok := d.Annotations[key]; ok {
		return value
	}
	return d.GetSpec().Annotations[key]
}
