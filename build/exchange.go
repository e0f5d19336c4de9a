package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/storage/store"
)

// What steps left travels as an image whose layers are the results, in any order,
// and whose configuration says under which keys they are found.
type exchanged struct {
	ispec.Image
	Steps []facts `json:"rl.steps"` // of the layers, in their order
	// Known are steps without layers, which the others were made with: with mode=min
	// those of stages that the image only copies from.
	Known []facts `json:"rl.known,omitempty"`
	// Also has the second keys of steps, see cache.alias.
	Also map[string]string `json:"rl.also,omitempty"`
}

// imported is a cache elsewhere that was opened.
type imported struct {
	*store.Opened
	number map[string]int // of the layer for a key
	steps  []facts
	known  map[string]facts // by key, of what has no layer
}

// importCaches opens the caches of --cache-from. One that cannot be read is said,
// and the build goes on without: the first build of all has none.
func (b *builder) importCaches(ctx context.Context) {
	for _, from := range b.CacheFrom {
		log := b.Progress.begin("importing cache manifest from " + from.String())
		c, err := b.openCache(ctx, from)
		log.done(err)
		if err == nil {
			b.imports = append(b.imports, c)
		}
	}
}

func (b *builder) openCache(ctx context.Context, from store.Remote) (c imported, err error) {
	if c.Opened, err = b.images.Open(ctx, from); err != nil {
		return c, err
	}
	var known exchanged
	if err := json.Unmarshal(c.Config, &known); err != nil {
		return c, err
	}
	c.number, c.steps, c.known = map[string]int{}, known.Steps, map[string]facts{}
	for _, f := range slices.Concat(known.Steps, known.Known) {
		if !isKey(f.Key) {
			return c, fmt.Errorf("%w: %q is no key of a step", store.ErrArchive, f.Key)
		}
	}
	for i, f := range known.Steps {
		c.number[f.Key] = i
	}
	for _, f := range known.Known {
		c.known[f.Key] = f
	}
	for also, key := range known.Also {
		if i, ok := c.number[key]; ok {
			c.number[also] = i
		} else if f, ok := c.known[key]; ok {
			c.known[also] = f
		}
	}
	return c, nil
}

// isKey reports whether a text is one that keyOf made. It becomes the name of a file.
func isKey(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}

// find looks for a result here.
func (b *builder) find(ctx context.Context, key string) *result {
	r := b.cache.find(key)
	if r == nil || b.keep(ctx, r) {
		return r
	}
	r.close()
	return nil
}

// elsewhere reports whether a cache elsewhere has a result.
func (b *builder) elsewhere(key string) bool {
	return slices.ContainsFunc(b.imports, func(c imported) bool { _, ok := c.number[key]; return ok })
}

// fetch gets a result from the caches elsewhere, nil if it cannot be had. layers are
// what it lies on.
func (b *builder) fetch(ctx context.Context, key string, layers []string, log *stepLog) *result {
	for _, c := range b.imports {
		number, ok := c.number[key]
		if !ok {
			continue
		}
		r, err := b.fetchResult(ctx, c, number, key, layers)
		if err == nil {
			return r
		}
		log.print("WARN: the result could not be fetched: " + err.Error())
	}
	return nil
}

// fetchResult gets one. It is kept under the key that was asked for and no other: what
// else a cache elsewhere says is not to decide about later builds, which do not use it.
func (b *builder) fetchResult(ctx context.Context, c imported, number int, key string, layers []string) (*result, error) {
	w, err := b.workspace(layers)
	if err != nil {
		return nil, err
	}
	defer w.close()
	upper, err := tree.Open(w.upper())
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	err = c.Layer(ctx, number, func(r io.Reader) error {
		return upper.Unpack(r, tree.Target{Path: "/", Contents: true, Layer: true, Whiteouts: true})
	})
	if err != nil {
		return nil, err
	}
	return b.cache.add(w.result(), key, c.steps[number])
}

// exportCaches writes the results of the build to the caches of --cache-to.
func (b *builder) exportCaches(ctx context.Context, target *stage) error {
	for _, to := range b.CacheTo {
		log := b.Progress.begin("exporting cache to " + to.String())
		err := b.exportCache(ctx, to, target)
		log.done(err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) exportCache(ctx context.Context, to CacheTo, target *stage) (err error) {
	var d store.Draft
	about := exchanged{Also: map[string]string{}}
	about.OS, about.Architecture, about.RootFS.Type = "linux", runtime.GOARCH, "layers"
	about.RootFS.DiffIDs = []digest.Digest{}
	seen := map[string]bool{}
	for _, s := range slices.Concat([]*stage{target}, b.list) {
		for _, r := range s.results {
			if seen[r.Key] {
				continue
			}
			seen[r.Key] = true
			if r.also != "" {
				about.Also[r.also] = r.Key
			}
			if r.absent() || s != target && !to.All {
				about.Known = append(about.Known, r.facts)
				continue
			}
			l := store.NewLayer{Write: func(w io.Writer) error { return part{r}.write(w, b.Epoch) }}
			if err := l.Measure(); err != nil {
				return err
			}
			d.Layers = append(d.Layers, l)
			about.RootFS.DiffIDs = append(about.RootFS.DiffIDs, l.DiffID)
			about.Steps = append(about.Steps, r.facts)
		}
	}
	if d.Config, err = json.Marshal(about); err != nil {
		return err
	}
	return b.images.PutDraft(ctx, to.Remote, d)
}
