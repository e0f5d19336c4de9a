package store

import (
	"context"
	"errors"
	"fmt"

	"go.podman.io/image/v5/docker"
)

// Hit is a repository that Search found.
type Hit struct {
	Name        string // as people write it, with the registry unless it is Docker Hub
	Description string
	Stars       int
	Official    bool
	Automated   bool
}

// dockerHub is the registry of plain names.
const dockerHub = "docker.io"

// Search asks a registry for repositories whose names contain a term, by the
// search of Docker Hub's first interface or, where there is none, through the
// catalog.
func (s *Store) Search(ctx context.Context, registry, term string, limit int) ([]Hit, error) {
	sys, err := s.systemContext("", registry)
	if err != nil {
		return nil, err
	}
	results, err := docker.SearchRegistry(ctx, sys, registry, term, limit)
	if err != nil {
		return nil, explainHost("search", registry, registry, err)
	}
	var hits []Hit
	for _, r := range results[:min(len(results), limit)] {
		hit := Hit{Name: r.Name, Description: r.Description, Stars: r.StarCount, Official: r.IsOfficial, Automated: r.IsAutomated || r.IsTrusted}
		if registry != dockerHub {
			hit.Name = registry + "/" + r.Name
		}
		hits = append(hits, hit)
	}
	return hits, nil
}

// CheckLogin asks a registry whether it knows a user by a password.
func (s *Store) CheckLogin(ctx context.Context, registry, user, password string) error {
	sys, err := s.systemContext("", registry)
	if err != nil {
		return err
	}
	err = docker.CheckAuth(ctx, sys, user, password, registry)
	var denied docker.ErrUnauthorizedForCredentials
	if errors.As(err, &denied) || err != nil && isDenied(err) {
		return fmt.Errorf("login to %s failed: wrong user name or password: %w", registry, oneLine(err))
	}
	return explainHost("login", registry, registry, err)
}
