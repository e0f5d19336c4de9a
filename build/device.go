package build

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rl-project/rl/runner/cdi"
	"github.com/rl-project/rl/runner/spec"
)

// deviceRight is what --allow calls every device; device=NAME is the right to one.
const deviceRight = "device"

// devices are what the CDI files say of those that RUN --device asks for, nil for
// none. What is missing and not required is in absent.
func (b *builder) devices(wanted []*instructions.Device) (found *spec.Injection, absent []string, err error) {
	var names []string
	for _, d := range wanted {
		matches, err := cdi.Matches(b.CDIDirs, d.Name)
		if err != nil {
			return nil, nil, err
		}
		if len(matches) == 0 && !d.Required {
			absent = append(absent, d.Name)
			continue
		}
		if len(matches) == 0 {
			matches = []cdi.Match{{Name: d.Name, Free: true}} // Find says what there is instead
		}
		for _, m := range matches {
			if err := b.allowDevice(m); err != nil {
				return nil, nil, err
			}
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return nil, absent, nil
	}
	in, err := cdi.Find(b.CDIDirs, names, nil)
	return &in, absent, err
}

// allowDevice refuses a device that neither the person nor its own file lets a
// Dockerfile have.
func (b *builder) allowDevice(m cdi.Match) error {
	if m.Free || slices.Contains(b.Allow, deviceRight) {
		return nil
	}
	for _, right := range b.Allow {
		word, ok := strings.CutPrefix(right, deviceRight+"=")
		if !ok {
			continue
		}
		allowed, err := cdi.Matches(b.CDIDirs, word)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(allowed, func(a cdi.Match) bool { return a.Name == m.Name }) {
			return nil
		}
	}
	return fmt.Errorf("RUN --device=%s is not allowed: to trust this Dockerfile with the device, add --allow %s=%s", m.Name, deviceRight, m.Name)
}

// devicePoints makes the mount points of devices' files, so that none gets into the
// result. Those below /dev are in memory.
func (m *mounting) devicePoints(in *spec.Injection) error {
	if in == nil {
		return nil
	}
	points := map[string]string{}
	for _, d := range in.Devices {
		points[d.Path] = d.Host
	}
	for _, one := range in.Mounts {
		points[one.Destination] = one.Source
	}
	var err error
	for target, from := range points {
		info, missing := os.Stat(from)
		folder := missing != nil || info.IsDir() // what is missing is said where it is mounted
		if !strings.HasPrefix(target, "/dev/") {
			_, failed := m.point(target, folder)
			err = errors.Join(err, failed)
		}
	}
	return err
}
