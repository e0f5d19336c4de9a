package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/storage"
)

// CommitOptions describe the image that Commit makes.
type CommitOptions struct {
	Base    string         // id of the image below
	Config  storage.Config // before Changes
	Changes []string       // in Dockerfile words, "CMD [\"sh\"]"
	Name    string         // without one the image has no name
	Author  string
	Message string
	Command []string                // that made the files, for the history
	Write   func(w io.Writer) error // writes the archive of the new layer
}

// Commit makes an image with one layer more than another one. It returns the
// image's id.
func (s *Store) Commit(ctx context.Context, o CommitOptions) (id string, err error) {
	var names []string
	if o.Name != "" {
		name, err := storage.NormalizeReference(o.Name)
		if err != nil {
			return "", err
		}
		names = []string{name}
	}
	base, err := s.store.Image(o.Base)
	if err != nil {
		return "", fmt.Errorf("the container's image: %w", err)
	}
	c, err := s.config(base)
	if err != nil {
		return "", err
	}
	c.Config = dockerConfigOf(o.Config)
	for _, change := range o.Changes {
		if err := c.Config.apply(change); err != nil {
			return "", err
		}
	}
	layer := NewLayer{Write: func(w io.Writer) error { return o.Write(whileAsked{ctx, w}) }}
	if err := s.AddLayer(base.TopLayer, &layer); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	c.Created, c.Author, c.Comment = &now, o.Author, o.Message
	c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, layer.DiffID)
	c.History = append(c.History, ispec.History{
		Created: &now, CreatedBy: strings.Join(o.Command, " "), Author: o.Author, Comment: o.Message,
	})
	blob, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	id, _, err = s.AddImage(blob, layer.ID, names, nil)
	return id, err
}

// whileAsked writes to w while ctx lasts.
type whileAsked struct {
	ctx context.Context
	w   io.Writer
}

func (a whileAsked) Write(data []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	return a.w.Write(data)
}

// dockerConfigOf is the other way of dockerConfig.plain.
func dockerConfigOf(c storage.Config) dockerConfig {
	return dockerConfig{
		ImageConfig: ispec.ImageConfig{
			User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Volumes: c.Volumes,
			WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal,
			//lint:ignore SA1019 Docker writes it
			ArgsEscaped: c.ArgsEscaped,
		},
		Healthcheck: (*healthcheck)(c.Healthcheck), Shell: c.Shell,
	}
}
