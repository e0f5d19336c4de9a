package store

import (
	"slices"
	"time"
)

// Step is one line of an image's history.
type Step struct {
	ID        string // of the image, for its last step; else ""
	Created   time.Time
	CreatedBy string
	Size      int64 // bytes that the step added, unpacked
	Comment   string
	Tags      []string // complete references, for the last step
}

// History returns how the image that ref names came to be, the last step first.
// Layers that its history does not tell of are steps without words.
func (s *Store) History(ref, platform string) ([]Step, error) {
	f, err := s.findPlatform(ref, platform)
	if err != nil {
		return nil, err
	}
	c, err := s.config(f.Image)
	if err != nil {
		return nil, err
	}
	layers, err := s.layers(f.Image)
	if err != nil {
		return nil, err
	}
	slices.Reverse(layers)
	var steps []Step
	for _, h := range c.History {
		step := Step{CreatedBy: h.CreatedBy, Comment: h.Comment}
		if h.Created != nil {
			step.Created = *h.Created
		}
		if !h.EmptyLayer && len(layers) > 0 {
			step.Size, layers = max(layers[0].UncompressedSize, 0), layers[1:]
		}
		steps = append(steps, step)
	}
	for _, l := range layers {
		steps = append(steps, Step{Created: l.Created, Size: max(l.UncompressedSize, 0)})
	}
	slices.Reverse(steps)
	if len(steps) > 0 {
		steps[0].ID, steps[0].Tags = f.ID, f.Names
	}
	return steps, nil
}
