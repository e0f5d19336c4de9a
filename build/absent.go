package build

import (
	"context"
	"errors"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// A result is absent when its key is known and its files are not here: a cache that was
// written with mode=min has the files of the image's own steps alone, and of the stages
// that were copied from only what their steps were. That is enough to find the copies.
// As soon as the files are needed after all, the stage does its steps again, with all
// results whole.

// errAbsent is a step that needs files of absent results below it.
var errAbsent = errors.New("the files of an earlier step are not here")

func (r *result) absent() bool { return r.dir == "" }

// lacks reports whether files of the stage are not here.
func (s *stage) lacks() bool {
	for _, r := range s.results {
		if r.absent() {
			return true
		}
	}
	return false
}

// run does the steps; what caches elsewhere only know is left out if it can be.
func (s *stage) run(ctx context.Context) error {
	err := s.attempt(ctx)
	if !errors.Is(err, errAbsent) {
		return err
	}
	if s.def, err = s.b.parsedAgain(s.index); err != nil {
		return err
	}
	s.whole, s.reached = true, reached{}
	return s.attempt(ctx)
}

// parsedAgain is the text of a stage as it was before its variables were replaced.
func (b *builder) parsedAgain(index int) (def instructions.Stage, err error) {
	defs, _, err := instructions.Parse(b.parsed.AST, nil)
	if err != nil {
		return def, err
	}
	return defs[index], nil
}

// present returns a stage that is done, or its like with all its files.
func (s *stage) present(ctx context.Context) (*stage, error) {
	if !s.lacks() {
		return s, nil
	}
	s.again.Do(func() {
		s.again.stage = &stage{b: s.b, index: s.index, whole: true}
		s.again.stage.def, s.again.err = s.b.parsedAgain(s.index)
	})
	if s.again.err != nil {
		return nil, s.again.err
	}
	return s.again.stage, s.again.stage.wait(ctx)
}

// recall takes what a step left before: from the cache, from one elsewhere, or without
// its files. It says in the progress what it found, and nothing if it found nothing.
func (s *stage) recall(ctx context.Context, layers []string, title, key string) (found bool, err error) {
	if s.ignoresCache() {
		return false, nil
	}
	r, elsewhere := s.b.find(ctx, key), false
	if r == nil {
		if elsewhere = s.b.elsewhere(key); !elsewhere {
			r = s.known(key)
		}
	}
	switch {
	case elsewhere && s.lacks():
		return false, errAbsent
	case r == nil && !elsewhere:
		return false, nil
	}
	s.step++
	log := s.b.Progress.begin(s.title(title))
	if elsewhere {
		if r = s.b.fetch(ctx, key, layers, log); r == nil {
			s.step--
			log.done(nil)
			return false, nil
		}
	}
	s.keepResult(r)
	log.fromCache()
	return true, nil
}

// recallShort is recall by a short key, "" for none, with the line of the history that
// goes with it.
func (s *stage) recallShort(ctx context.Context, layers []string, title, command, short string) (found bool, err error) {
	if short == "" {
		return false, nil
	}
	if found, err = s.recall(ctx, layers, title, short); found {
		s.history(command, true)
	}
	return found, err
}

// known is an absent result, nil if no cache elsewhere knows of it or if the stage has
// to have all files.
func (s *stage) known(key string) *result {
	if s.whole {
		return nil
	}
	for _, c := range s.b.imports {
		if f, ok := c.known[key]; ok {
			r := &result{facts: f}
			if f.Key != key {
				r.also = key
			}
			return r
		}
	}
	return nil
}
