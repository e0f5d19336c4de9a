package store

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	cstorage "go.podman.io/storage"
)

// warnClamped says when an image holds files of owners that the person's id
// maps do not have. Such files belong to root in the container.
func (s *Store) warnClamped(name string, img *cstorage.Image) {
	layers, err := s.layers(img)
	if err != nil {
		return
	}
	uids, gids := readMap("/proc/self/uid_map"), readMap("/proc/self/gid_map")
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

// idRange is one line of a map: the first id inside, and how many.
type idRange struct{ first, count uint32 }

// readMap reads a uid_map or gid_map. Without one, every id counts as mapped.
func readMap(path string) []idRange {
	data, err := os.ReadFile(path)
	if err != nil {
		return []idRange{{0, ^uint32(0)}}
	}
	var ranges []idRange
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		first, err1 := strconv.ParseUint(string(fields[0]), 10, 32)
		count, err2 := strconv.ParseUint(string(fields[2]), 10, 32)
		if err1 == nil && err2 == nil {
			ranges = append(ranges, idRange{uint32(first), uint32(count)})
		}
	}
	return ranges
}

// beyond returns the ids that no range holds.
func beyond(ranges []idRange, ids []uint32) []uint32 {
	var outside []uint32
	for _, id := range ids {
		if !slices.ContainsFunc(ranges, func(r idRange) bool { return id >= r.first && id-r.first < r.count }) {
			outside = append(outside, id)
		}
	}
	return outside
}
