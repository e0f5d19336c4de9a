package storage

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
)

// Names answers which names images have at this moment, from the stores' lists
// of images, each of which is read once.
type Names struct {
	lists map[string][]byte
	known map[[2]string]bool
}

// Lost reports whether an image is there and a name, as somebody typed it once,
// is not its own any more: it was removed, or given to another image. An id is
// never lost, and neither is anything of an image that is not in its store's list,
// as those of additional stores are not.
func (n *Names) Lost(s Store, id, ref string) bool {
	key := [2]string{id, ref}
	lost, known := n.known[key]
	if !known {
		lost = n.lost(s, id, ref)
		if n.known == nil {
			n.known = map[[2]string]bool{}
		}
		n.known[key] = lost
	}
	return lost
}

func (n *Names) lost(s Store, id, ref string) bool {
	if isImageID(ref) || strings.Contains(ref, "@") || id == "" {
		return false
	}
	names, found := entryNames(n.list(s), id)
	if !found {
		return false
	}
	name, err := NormalizeReference(ref)
	if err != nil || slices.Contains(names, name) {
		return false
	}
	return !(isIDPrefix(ref) && strings.HasPrefix(id, trimID(ref)))
}

// list returns a store's list of images, which lies beside that of containers.
func (n *Names) list(s Store) []byte {
	path := strings.Replace(s.Containers, "-containers/containers.json", "-images/images.json", 1)
	data, known := n.lists[path]
	if !known {
		data, _ = os.ReadFile(path)
		if n.lists == nil {
			n.lists = map[string][]byte{}
		}
		n.lists[path] = data
	}
	return data
}

// entryNames finds an image in the list without decoding the others: the list
// is as long as the person has images, and this is for `ps`. An entry begins with
// its id.
func entryNames(list []byte, id string) (names []string, found bool) {
	begin := bytes.Index(list, []byte(`{"id":"`+id+`"`))
	if begin < 0 {
		return nil, false
	}
	var entry struct{ Names []string }
	if json.NewDecoder(bytes.NewReader(list[begin:])).Decode(&entry) != nil {
		return nil, false
	}
	return entry.Names, true
}
