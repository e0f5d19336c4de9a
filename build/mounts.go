package build

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
)

// mountKeys says of each mount of a RUN what decides the result.
func (s *stage) mountKeys(ctx context.Context, mounts []*instructions.Mount) ([]string, error) {
	var keys []string
	for _, m := range mounts {
		if m.Type != instructions.MountTypeTmpfs {
			return nil, fmt.Errorf("RUN --mount=type=%s is not there yet: tmpfs is", m.Type)
		}
		keys = append(keys, fmt.Sprintf("tmpfs %s %d", m.Target, m.SizeLimit))
	}
	return keys, nil
}

// addMounts adds what --mount asks for.
func (s *stage) addMounts(_ context.Context, e execution, step *runner.Step, w *workspace, _ *undo) error {
	for _, m := range e.mounts {
		target := s.absolute(m.Target)
		if err := w.stub(target, true); err != nil {
			return err
		}
		options := []string{"nosuid", "nodev", "mode=1777"}
		if m.SizeLimit > 0 {
			options = append(options, fmt.Sprintf("size=%d", m.SizeLimit))
		}
		step.Mounts = append(step.Mounts, specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	return nil
}
