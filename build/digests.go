package build

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rl-project/rl/internal/replace"
	"github.com/rl-project/rl/internal/tree"
)

// digestCache remembers the digests of files by what stat(2) says of them, so
// that a context that did not change is not read again.
type digestCache struct {
	path  string
	mu    sync.Mutex
	known map[string]string
	used  map[string]string
	fresh bool
}

// recent is how long after a file was changed its time may not tell that it was
// changed again: the clock of file systems ticks every few milliseconds.
const recent = 2 * time.Second

func openDigests(path string) *digestCache {
	return &digestCache{path: path, used: map[string]string{}}
}

// load reads the file when a digest is first asked for. One that is damaged is
// only a shorter one.
func (d *digestCache) load() {
	if d.known != nil {
		return
	}
	d.known = map[string]string{}
	f, err := os.Open(d.path)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); len(line) > 65 && line[64] == ' ' {
			d.known[line[65:]] = line[:64]
		}
	}
}

// hash is tree.Content with a memory.
func (d *digestCache) hash(in *tree.Root, name string, e tree.Entry) (string, error) {
	identity := e.Identity()
	d.mu.Lock()
	d.load()
	sum, ok := d.known[identity]
	d.mu.Unlock()
	if !ok {
		var err error
		if sum, err = tree.Content(in, name, e); err != nil || time.Since(e.Changed()) < recent {
			return sum, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used[identity] = sum
	d.fresh = d.fresh || !ok
	return sum, nil
}

// mostDigests bounds the file to some tens of megabytes.
const mostDigests = 200_000

// save writes down what was learnt. What cannot be written is learnt again.
func (d *digestCache) save() {
	if !d.fresh {
		return
	}
	if len(d.known) < mostDigests {
		for k, v := range d.known {
			d.used[k] = v
		}
	}
	var text []byte
	for k, v := range d.used {
		text = fmt.Appendf(text, "%s %s\n", v, k)
	}
	if os.MkdirAll(filepath.Dir(d.path), 0o700) == nil {
		_ = replace.File(d.path, d.path+"."+newID()[:8], text, 0o600)
	}
}
