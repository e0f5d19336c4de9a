//go:build !split && containers_image_openpgp

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// caches makes places of --cache-from and --cache-to.
func (c *buildCmd) caches(o *build.Options) error {
	from, to, err := c.cachePlaces()
	if err != nil {
		return err
	}
	for _, p := range from {
		r, err := p.remote("--cache-from")
		if err != nil {
			return err
		}
		o.CacheFrom = append(o.CacheFrom, r)
	}
	for _, p := range to {
		if p.folder != "" {
			if info, err := os.Stat(filepath.Dir(lentPath(p.folder))); err != nil || !info.IsDir() {
				return fmt.Errorf("--cache-to: there is no folder %s", filepath.Dir(p.folder))
			}
			if err := os.MkdirAll(lentPath(p.folder), 0o755); err != nil {
				return fmt.Errorf("--cache-to: %w", err)
			}
		}
		r, err := p.remote("--cache-to")
		if err != nil {
			return err
		}
		o.CacheTo = append(o.CacheTo, build.CacheTo{Remote: r, All: p.all})
	}
	return nil
}

func (p cachePlace) remote(flag string) (store.Remote, error) {
	if p.folder != "" {
		return store.Remote{Folder: lentPath(p.folder)}, nil
	}
	name, err := storage.NormalizeReference(p.name)
	if err != nil {
		return store.Remote{}, fmt.Errorf("%s: %w", flag, err)
	}
	return store.Remote{Name: name}, nil
}
