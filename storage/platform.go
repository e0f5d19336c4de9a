package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// binfmt is where the kernel lists the formats of programs that it has an
// interpreter for (binfmt_misc).
const binfmt = "/proc/sys/fs/binfmt_misc"

// emulators are the names that qemu's packages register where they differ from
// those of Go's architectures.
var emulators = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "loong64": "loongarch64",
	"mipsle": "mipsel", "mips64le": "mips64el", "ppc64le": "ppc64le",
}

// String returns the platform as people write it: "linux/arm/v7".
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Executable reports whether this machine can execute an image's programs:
// itself, or through an emulator that an administrator has registered with the
// kernel. An image that does not say what it is for counts as executable.
func (p Platform) Executable() bool {
	switch {
	case p.OS != "" && p.OS != "linux":
		return false
	case p.Architecture == "", p.Architecture == runtime.GOARCH, p.Architecture == "386" && runtime.GOARCH == "amd64",
		p.Architecture == "arm" && runtime.GOARCH == "arm64":
		return true
	}
	name := p.Architecture
	if other, ok := emulators[name]; ok {
		name = other
	}
	state, err := os.ReadFile(filepath.Join(binfmt, "qemu-"+name))
	return err == nil && strings.HasPrefix(string(state), "enabled")
}

// CheckExecutable returns an error that says what to do about an image that
// this machine cannot execute; ref is what the person calls it.
func (img *Image) CheckExecutable(ref string) error {
	if img.Platform.Executable() {
		return nil
	}
	return fmt.Errorf("%w: image %s is for %s and this machine is linux/%s: choose --platform linux/%s, or have an administrator install an emulator for it (the package qemu-user-static with binfmt-support)",
		ErrNotExecutable, ref, img.Platform, runtime.GOARCH, runtime.GOARCH)
}
