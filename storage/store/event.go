package store

import (
	"github.com/rl-project/rl/internal/events"
	"github.com/rl-project/rl/storage"
)

// happened adds to the record of events what was done to an image. As with
// Docker, id is its name for pull and push, and "sha256:..." otherwise; what is
// done to an image without a name has the id in both places.
func (s *Store) happened(action, id, name string) {
	if r, err := storage.ParseReference(name); err == nil {
		name = r.Familiar()
	}
	if name == "" {
		name = id
	}
	events.In(s.options.Data).Write(events.Event{
		Type: events.Image, Action: action,
		Actor: events.Actor{ID: id, Attributes: map[string]string{"name": name}},
	})
}

// transferred is happened for what a registry was asked for by name.
func (s *Store) transferred(action, name string) {
	r, err := storage.ParseReference(name)
	if err != nil {
		return
	}
	events.In(s.options.Data).Write(events.Event{
		Type: events.Image, Action: action,
		Actor: events.Actor{ID: r.Familiar(), Attributes: map[string]string{"name": r.FamiliarName()}},
	})
}

// removed records what Remove did.
func (s *Store) removed(id string, r Removed) {
	for _, name := range r.Untagged {
		s.happened("untag", "sha256:"+id, name)
	}
	if len(r.Deleted) > 0 {
		s.happened("delete", r.Deleted[0], "")
	}
}
