package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rl-project/rl/internal/replace"
)

// Summary is what a list shows of an image.
type Summary struct {
	ID      string
	Names   []string // complete references; empty for a dangling image
	Digest  string
	Created time.Time
	Size    int64 // bytes of all layers, unpacked
	Labels  map[string]string
	// Containers is how many containers, of rl and of others, use the image.
	Containers int
	ReadOnly   bool // from an additional store
}

// listRecord is the file that holds the list of images.
type listRecord struct {
	Format      int
	Environment map[string]string
	Facts       []fact
	Images      []Summary
}

func listPath(dataDir string) string { return filepath.Join(dataDir, "images", "list") }

// WriteList stores the list of all images, so that showing it needs neither the
// library nor the program that links it. Whoever changes the store writes it;
// Facts must have been gathered before the list was made.
func WriteList(dataDir string, images []Summary, facts Facts) error {
	data, err := json.Marshal(listRecord{recordFormat, storeEnvironment(), facts, images})
	if err != nil {
		return err
	}
	path := listPath(dataDir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replace.File(path, fmt.Sprintf("%s.%d", path, os.Getpid()), data, 0o600)
}

// ReadList returns the list that WriteList stored, the newest image first, or
// ErrNotResolved when the store has changed since, by Podman for example. How many
// containers use an image is as old as the list: creating one changes nothing of
// the images.
func ReadList(dataDir string) ([]Summary, error) {
	data, err := os.ReadFile(listPath(dataDir))
	if err != nil {
		return nil, errors.Join(ErrNotResolved, err)
	}
	var r listRecord
	if err := json.Unmarshal(data, &r); err != nil || r.Format != recordFormat {
		return nil, ErrNotResolved
	}
	for name, value := range r.Environment {
		if os.Getenv(name) != value {
			return nil, ErrNotResolved
		}
	}
	if holder := (&Image{facts: r.Facts}); len(r.Facts) == 0 || !holder.holds() {
		return nil, ErrNotResolved
	}
	return r.Images, nil
}
