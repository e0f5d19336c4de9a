package store

import (
	"path/filepath"

	"github.com/rl-project/rl/internal/scratch"
)

// scratchPrefix begins the names of folders for blobs on their way in or out.
const scratchPrefix = "image-"

func (s *Store) scratchParent() string { return filepath.Join(s.options.Data, "tmp") }

// openScratch makes a folder for big temporary files.
func (s *Store) openScratch() (*scratch.Folder, error) {
	f, err := scratch.Open(s.scratchParent(), scratchPrefix)
	return f, explain(err)
}

// clearScratch removes what killed processes have left of scratch folders.
func (s *Store) clearScratch() { scratch.Clear(s.scratchParent(), scratchPrefix) }
