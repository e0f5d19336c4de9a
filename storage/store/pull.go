package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ocilayout "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/rl-project/rl/storage"
)

// progressInterval is how often a layer being copied is reported.
const progressInterval = 100 * time.Millisecond

// PullOptions say how to pull.
type PullOptions struct {
	Platform string // OS[/ARCH[/VARIANT]]; empty for this machine's
	// Progress is told about each layer; it may be called from several
	// goroutines, but never at the same time.
	Progress func(LayerProgress)
}

// LayerState is how far the copying of a layer is.
type LayerState int

// The states of a layer, in the order in which it goes through them. A layer
// that is stored already has only the last one.
const (
	LayerWaiting LayerState = iota
	LayerCopying
	LayerCopied
	LayerExists
)

// LayerProgress is one report about one layer.
type LayerProgress struct {
	Digest         string
	State          LayerState
	Current, Total int64 // bytes, compressed; Total is -1 if it is not known
}

// Pulled is what Pull did.
type Pulled struct {
	Name   string // complete reference
	ID     string
	Digest string // of the manifest in the registry
	New    bool   // the name did not mean this image before
}

// Pull copies an image from its registry. A canceled or killed pull leaves no
// image; the layers that had arrived whole are taken up by the next pull, or
// removed with what else is left over (see RemoveLeftovers).
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Pulled, error) {
	named, source, sys, err := s.inRegistry(ref, o.Platform)
	if err != nil {
		return Pulled{}, err
	}
	name := named.String()
	before, _ := s.findName(name)
	if err := checkPlatform(ctx, source, sys, o.Platform); err != nil {
		return Pulled{}, explainRegistry("pull", name, err)
	}
	if err := s.copyIn(ctx, source, named, sys, o); err != nil {
		return Pulled{}, explainRegistry("pull", name, err)
	}
	img, err := s.findName(name)
	if err != nil {
		return Pulled{}, err
	}
	if err := s.keepOther(before, img, named); err != nil {
		return Pulled{}, err
	}
	s.warnClamped(name, img)
	s.transferred("pull", name)
	s.tidy()
	return Pulled{
		Name: name, ID: img.ID, Digest: img.Digest.String(),
		New: before == nil || before.ID != img.ID,
	}, nil
}

// Ask asks the registry for what Pull would pull, and stores nothing. Its errors are
// those with which Pull would begin.
func (s *Store) Ask(ctx context.Context, ref string, o PullOptions) error {
	named, source, sys, err := s.inRegistry(ref, o.Platform)
	if err != nil {
		return err
	}
	img, err := source.NewImage(ctx, sys)
	if err == nil {
		err = errors.Join(img.Close(), checkPlatform(ctx, source, sys, o.Platform))
	}
	return explainRegistry("pull", named.String(), err)
}

// inRegistry is where a registry has what ref names, and how to ask for it.
func (s *Store) inRegistry(ref, platform string) (reference.Named, types.ImageReference, *types.SystemContext, error) {
	name, err := storage.NormalizeReference(ref)
	if err != nil {
		return nil, nil, nil, err
	}
	named, err := reference.ParseNamed(name)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", storage.ErrInvalidReference, err)
	}
	source, err := docker.NewReference(named)
	if err != nil {
		return nil, nil, nil, err
	}
	sys, err := s.systemContext(platform, reference.Domain(named))
	return named, source, sys, err
}

// checkPlatform refuses an image that is for another platform than was asked
// for by name. An index is searched for the platform by the library; an image
// without one is taken as it is.
func checkPlatform(ctx context.Context, source types.ImageReference, sys *types.SystemContext, want string) (err error) {
	if want == "" {
		return nil
	}
	img, err := source.NewImage(ctx, sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	c, err := img.OCIConfig(ctx)
	if err != nil {
		return err
	}
	p, err := ParsePlatform(want)
	if err != nil || matches(p, c.Platform) {
		return err
	}
	return fmt.Errorf("%w: the image is for %s/%s, not for %s", ErrPlatform, c.OS, c.Architecture, want)
}

// Tags returns the complete references of all tags that a registry has of a
// repository, "docker.io/library/alpine".
func (s *Store) Tags(ctx context.Context, repository string) ([]string, error) {
	named, err := reference.ParseNamed(repository)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", storage.ErrInvalidReference, err)
	}
	source, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return nil, err
	}
	sys, err := s.systemContext("", reference.Domain(named))
	if err != nil {
		return nil, err
	}
	tags, err := docker.GetRepositoryTags(ctx, sys, source)
	if err != nil {
		return nil, explainRegistry("pull", repository, err)
	}
	for i, tag := range tags {
		tags[i] = named.Name() + ":" + tag
	}
	return tags, nil
}

// copyIn copies an image into the store under the name to, from anywhere.
func (s *Store) copyIn(ctx context.Context, source types.ImageReference, to reference.Named, sys *types.SystemContext, o PullOptions) error {
	target, err := istorage.Transport.NewStoreReference(s.store, to, "")
	if err != nil {
		return err
	}
	_, err = s.copy(ctx, target, source, sys, o)
	return err
}

// copied is what copy made.
type copied struct {
	reference types.ImageReference // exact, if the target has such a thing
	manifest  []byte
}

// copy copies one image between any two places, layers in parallel.
func (s *Store) copy(ctx context.Context, target, source types.ImageReference, sys *types.SystemContext, o PullOptions) (made copied, err error) {
	trust, err := trustPolicy()
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, trust.Destroy()) }()
	scratch, err := s.openScratch()
	if err != nil {
		return made, err
	}
	defer scratch.Close()
	sys.BigFilesTemporaryDir = scratch.Path
	reports, finish := reportTo(o.Progress)
	defer finish()
	made.manifest, err = copy.Image(ctx, trust, target, source, &copy.Options{
		SourceCtx: sys, DestinationCtx: sys,
		Progress: reports, ProgressInterval: progressInterval,
		ReportResolvedReference: &made.reference,
		// The store of detached signatures of real root is closed to the user
		// namespace's root. Registries and archives need not take any.
		RemoveSignatures: s.options.UID == 0 || target.Transport().Name() != istorage.Transport.Name(),
	})
	return made, err
}

// reportTo turns the library's reports into calls of progress, one at a time,
// and returns what ends this.
func reportTo(progress func(LayerProgress)) (chan types.ProgressProperties, func()) {
	if progress == nil {
		return nil, func() {}
	}
	reports, done := make(chan types.ProgressProperties), make(chan struct{})
	go func() {
		defer close(done)
		for r := range reports {
			if !strings.Contains(r.Artifact.MediaType, "config") && !strings.Contains(r.Artifact.MediaType, "container.image") {
				progress(layerProgress(r))
			}
		}
	}()
	return reports, func() { close(reports); <-done }
}

func layerProgress(r types.ProgressProperties) LayerProgress {
	p := LayerProgress{Digest: r.Artifact.Digest.String(), Current: int64(r.Offset), Total: r.Artifact.Size}
	switch r.Event {
	case types.ProgressEventNewArtifact:
		p.State = LayerWaiting
	case types.ProgressEventRead:
		p.State = LayerCopying
	case types.ProgressEventDone:
		p.State = LayerCopied
	case types.ProgressEventSkipped:
		p.State = LayerExists
	}
	return p
}

// acceptsAll reports whether policy.json, where there is one, takes every archive.
func acceptsAll() bool {
	policy, err := signature.DefaultPolicy(nil)
	if err != nil {
		return noPolicy(err)
	}
	_, docker := policy.Transports[dockerarchive.Transport.Name()]
	_, oci := policy.Transports[ocilayout.Transport.Name()]
	return !docker && !oci && len(policy.Default) == 1 && reflect.DeepEqual(policy.Default[0], signature.NewPRInsecureAcceptAnything())
}

func noPolicy(err error) bool {
	return errors.Is(err, os.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no policy.json file found")
}

// trustPolicy reads policy.json; where there is none, every image is accepted.
func trustPolicy() (*signature.PolicyContext, error) {
	policy, err := signature.DefaultPolicy(nil)
	if noPolicy(err) {
		policy, err = &signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy.json: %w", err)
	}
	// What is stored was accepted when it came.
	if policy.Transports == nil {
		policy.Transports = make(map[string]signature.PolicyTransportScopes)
	}
	policy.Transports[istorage.Transport.Name()] = signature.PolicyTransportScopes{
		"": {signature.NewPRInsecureAcceptAnything()},
	}
	return signature.NewPolicyContext(policy)
}

// systemContext says how to reach a registry and which platform to take.
// Credentials and registries.conf are found by the library, except that
// $REGISTRY_AUTH_FILE, which Podman knows, is read here.
func (s *Store) systemContext(platform, registry string) (*types.SystemContext, error) {
	sys := &types.SystemContext{DockerRegistryUserAgent: "rl", AuthFilePath: os.Getenv("REGISTRY_AUTH_FILE")}
	if platform != "" {
		p, err := ParsePlatform(platform)
		if err != nil {
			return nil, err
		}
		sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = p.OS, p.Architecture, p.Variant
	}
	if isLoopback(registry) && !isConfigured(registry) {
		// Docker takes plain HTTP from a registry on this machine.
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	return sys, nil
}

func isLoopback(registry string) bool {
	host := registry
	if h, _, err := net.SplitHostPort(registry); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")).IsLoopback()
}

// isConfigured reports whether registries.conf says anything about a registry.
func isConfigured(registry string) bool {
	r, err := sysregistriesv2.FindRegistry(nil, registry)
	return err == nil && r != nil
}
