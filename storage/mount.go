package storage

import (
	"slices"
	"strings"
)

// optionLimit is what mount(2) copies: one page, the last byte of which is 0.
const optionLimit = 4096 - 1

// Overlay says how to mount a container's root file system.
type Overlay struct {
	// Program is the path of fuse-overlayfs, to be run as
	// `Program -o Options TARGET`; empty for a mount(2) of type "overlay".
	Program string
	// Folder has to be the current folder of the thread that mounts, because
	// Options name layers relative to it. Empty for Program.
	Folder string
	// Options is the mount data.
	Options string
}

// Overlay returns the mount of a container's root file system: img below, what
// the container writes in upper, and work, an empty folder beside it on the same
// file system. The mount must happen in rl's user namespace, by its uid 0.
//
// With volatile nothing is flushed to disk, for containers that are removed
// when they end; the kernel refuses the second mount of such an upper folder
// after a crash.
func (img *Image) Overlay(upper, work string, volatile bool) (Overlay, error) {
	if img.Store.Program != "" {
		options := overlayOptions(img.Layers, upper, work, volatile, escapeProgram)
		return Overlay{Program: img.Store.Program, Options: options}, nil
	}
	// Extended attributes of the "trusted" kind need a privilege over the
	// whole machine; inside a user namespace overlayfs keeps them under "user".
	options := overlayOptions(img.Links, upper, work, volatile, escapeLayer) + ",userxattr"
	o := Overlay{Folder: img.Store.Home, Options: options}
	if len(o.Options) > optionLimit {
		return Overlay{}, ErrTooManyLayers
	}
	return o, nil
}

// Lower returns the mount of an image as it is, for reading, with the upper folders
// of other overlays over it.
func (img *Image) Lower(over ...string) (Overlay, error) {
	if img.Store.Program != "" {
		return Overlay{Program: img.Store.Program, Options: lowerOption(slices.Concat(over, img.Layers), escapeProgram)}, nil
	}
	o := Overlay{Folder: img.Store.Home, Options: lowerOption(slices.Concat(over, img.Links), escapeLayer) + ",userxattr"}
	if len(o.Options) > optionLimit {
		return Overlay{}, ErrTooManyLayers
	}
	return o, nil
}

func overlayOptions(layers []string, upper, work string, volatile bool, layer *strings.Replacer) string {
	options := lowerOption(layers, layer) +
		",upperdir=" + escapeFolder.Replace(upper) + ",workdir=" + escapeFolder.Replace(work)
	if volatile {
		options += ",volatile"
	}
	return options
}

func lowerOption(layers []string, layer *strings.Replacer) string {
	lower := make([]string, len(layers))
	for i, l := range layers {
		lower[i] = layer.Replace(l)
	}
	return "lowerdir=" + strings.Join(lower, ":")
}

// The kernel splits options at commas and lowerdir at colons. fuse-overlayfs does
// the latter after libfuse has taken away one layer of backslashes; it cannot be
// told of an upper folder with a colon in its path.
var (
	escapeLayer   = strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`)
	escapeFolder  = strings.NewReplacer(`\`, `\\`, ",", `\,`)
	escapeProgram = strings.NewReplacer(`\`, `\\\\`, ",", `\,`, ":", `\\:`)
)
