package store

import (
	"slices"

	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/internal/idmap"
)

// warnClamped says when an image holds files of owners that the person's id
// maps do not have. Such files belong to root in the container.
func (s *Store) warnClamped(name string, img *cstorage.Image) {
	layers, err := s.layers(img)
	if err != nil {
		return
	}
	uids, gids := ownIDs("/proc/self/uid_map"), ownIDs("/proc/self/gid_map")
	var outside []uint32
	for _, l := range layers {
		outside = append(outside, beyond(uids, l.UIDs)...)
		outside = append(outside, beyond(gids, l.GIDs)...)
	}
	if len(outside) == 0 {
		return
	}
	highest := slices.Max(outside)
	s.warnf("%s has files of ids up to %d, which are beyond your subordinate ids; they belong to root in containers of it (a longer range in /etc/subuid and /etc/subgid keeps them apart)", name, highest)
}

// ownIDs reads a map of this process. Without one, every id counts as mapped.
func ownIDs(path string) []idmap.Range {
	if ranges, err := idmap.Read(path); err == nil {
		return ranges
	}
	return []idmap.Range{{Size: ^uint32(0)}}
}

// beyond returns the ids that no range holds.
func beyond(ranges []idmap.Range, ids []uint32) []uint32 {
	var outside []uint32
	for _, id := range ids {
		if !slices.ContainsFunc(ranges, func(r idmap.Range) bool { return r.Holds(id) }) {
			outside = append(outside, id)
		}
	}
	return outside
}
