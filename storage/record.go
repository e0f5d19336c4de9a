package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/replace"
)

// recordFormat changes whenever records of older programs must not be read.
const recordFormat = 2

// maxRecordName keeps record names, with ".json" and the suffix of temporary
// files, within the 255 bytes of a file name.
const maxRecordName = 200

// storeVariables are the environment variables that choose the store. A record
// holds for the values that the resolver saw.
var storeVariables = []string{
	"CONTAINERS_STORAGE_CONF", "CONTAINERS_STORAGE_CONF_OVERRIDE",
	"STORAGE_DRIVER", "STORAGE_OPTS", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
}

// record is a file under images/ of rl's data folder.
type record struct {
	Format      int
	Environment map[string]string
	Facts       []fact
	Image       *Image
}

// A fact is what a file looked like when a record was made. A store's lists
// are replaced as a whole, never edited, so a changed list is another inode.
type fact struct {
	Path    string
	Missing bool   `json:",omitempty"`
	Inode   uint64 `json:",omitempty"`
	Size    int64  `json:",omitempty"`
	Time    int64  `json:",omitempty"` // last change of the content, nanoseconds
}

// Facts is the state of the files that a resolution depends on.
type Facts []fact

// GatherFacts notes the present state of files. The resolver calls it before it
// reads them: a change while it works then makes its record out of date.
func GatherFacts(paths []string) Facts {
	facts := make(Facts, len(paths))
	for i, p := range paths {
		facts[i] = look(p)
	}
	return facts
}

// WriteRecord stores what is known of img, to be found under ref: a complete
// reference, an image id, or the beginning of an id that a person typed.
// Facts must have been gathered before img was looked up.
func WriteRecord(dataDir, ref string, img *Image, facts Facts) error {
	data, err := json.Marshal(record{
		Format: recordFormat, Environment: storeEnvironment(), Facts: facts, Image: img,
	})
	if err != nil {
		return err
	}
	path := recordPath(dataDir, ref)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("record of image %s: %w", ref, err)
	}
	// Two resolvers of one image may be at work; either's record will do.
	return replace.File(path, fmt.Sprintf("%s.%d", path, os.Getpid()), data, 0o600)
}

// PlatformKey is the key of the record of the image for a platform, by name or
// id; without one it is the key itself.
func PlatformKey(key, platform string) string {
	if platform == "" {
		return key
	}
	return key + "," + platform
}

// SplitKey takes apart what PlatformKey made.
func SplitKey(key string) (ref, platform string) {
	ref, platform, _ = strings.Cut(key, ",")
	return ref, platform
}

// recordPath returns the file for a key. References hold no '%', so a slash
// can be written as one.
func recordPath(dataDir, key string) string {
	name := strings.ReplaceAll(key, "/", "%")
	if len(name) > maxRecordName {
		sum := sha256.Sum256([]byte(key))
		name = "long-" + hex.EncodeToString(sum[:])
	}
	return filepath.Join(dataDir, "images", name+".json")
}

// readRecord returns the image of a record that is there and still holds.
func readRecord(path string) (*Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.Format != recordFormat || r.Image == nil {
		return nil, errors.New("record of another version")
	}
	for name, value := range r.Environment {
		if os.Getenv(name) != value {
			return nil, errors.New("record of another environment")
		}
	}
	r.Image.facts = r.Facts
	if !r.Image.holds() {
		return nil, errors.New("record is out of date")
	}
	return r.Image, nil
}

// WhileHolding is the image, which is what it is as long as the facts hold. They must
// have been gathered before it was looked up.
func (img *Image) WhileHolding(facts Facts) *Image {
	img.facts = facts
	return img
}

// holds reports whether no file that the image was resolved from has changed.
func (img *Image) holds() bool {
	for _, f := range img.facts {
		if look(f.Path) != f {
			return false
		}
	}
	return true
}

// look returns the present state of a file. A file that cannot be seen counts
// as missing: the resolver could not read it either.
func look(path string) fact {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fact{Path: path, Missing: true}
	}
	return fact{Path: path, Inode: st.Ino, Size: st.Size, Time: st.Mtim.Nano()}
}

func storeEnvironment() map[string]string {
	env := make(map[string]string, len(storeVariables))
	for _, name := range storeVariables {
		env[name] = os.Getenv(name)
	}
	return env
}
