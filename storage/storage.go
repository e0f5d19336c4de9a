// Package storage answers, quickly, what has to be known of an image to start
// a container of it: its id, its configuration and the folders of its layers.
//
// The images lie in the person's ordinary containers/storage store, together
// with Podman's. Opening that store takes milliseconds and a library of
// megabytes, so this package never does: package storage/store writes one small
// record per reference, and Lookup reads it back after comparing a few inode
// numbers, sizes and times, which tell whether the store has changed since.
//
// What this package does write is one entry in the store's list of containers
// (see Image.Claim), so that neither rl nor Podman removes an image while a
// container of it exists.
//
// Callers may be in any namespace that sees the host's file system.
package storage

import (
	"time"
)

// Image is what is known of one stored image.
type Image struct {
	ID     string   // 64 hexadecimal digits: the digest of the configuration
	Digest string   // of the manifest, "sha256:..."
	Names  []string // complete references, "docker.io/library/alpine:latest"
	// Layers are the folders of the image's layers, absolute, the topmost
	// first, as overlayfs wants them in lowerdir.
	Layers []string
	// Links are shorter names of the same folders, relative to Store.Home;
	// absolute for layers of an additional store.
	Links []string
	// RootMode, RootUID and RootGID are those of the image's root folder as
	// seen in the user namespace: an upper folder has to be given them, because
	// overlayfs shows the root folder of the upper one.
	RootMode         uint32
	RootUID, RootGID int

	Platform Platform
	Config   Config
	Created  time.Time
	Size     int64 // bytes of all layers, unpacked

	Store Store

	// facts are what the record depends on. An image that a container keeps in
	// its description has none: as long as it is claimed, it is there.
	facts []fact
}

// Store is where an image lies, and where its containers are claimed.
type Store struct {
	// Driver is "overlay" for the kernel's file system, or "fuse-overlayfs"
	// (or whatever program storage.conf names) with its path in Program.
	Driver  string
	Program string `json:",omitempty"`
	// Home is the folder that Image.Links are relative to.
	Home string
	// Containers is the store's list of containers, ContainersLock its lock.
	Containers, ContainersLock string
}

// Lookup returns the image that ref names: a name (a plain one is Docker
// Hub's), a name with a digest, an image id or the beginning of one. Names win
// over beginnings of ids, as with Docker. dataDir is where rl keeps its data.
// With a platform, "linux/arm64", it is the image for that one.
//
// It returns ErrNotResolved when there is no record or the record is out of
// date, and an error that wraps ErrInvalidReference for a malformed name.
func Lookup(dataDir, ref, platform string) (*Image, error) {
	keys, err := keysOf(ref)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		img, err := readRecord(recordPath(dataDir, PlatformKey(key, platform)))
		if err == nil {
			return img, nil
		}
	}
	return nil, ErrNotResolved
}

// keysOf returns the record names under which ref may be known, in the order
// of preference.
func keysOf(ref string) ([]string, error) {
	if isImageID(ref) {
		return []string{trimID(ref)}, nil
	}
	name, err := NormalizeReference(ref)
	if err != nil {
		return nil, err
	}
	if isIDPrefix(ref) {
		return []string{name, trimID(ref)}, nil
	}
	return []string{name}, nil
}
