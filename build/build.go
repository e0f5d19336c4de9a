// Package build makes images from Dockerfiles.
//
// BuildKit's own packages read the file; what it means is carried out here. The
// stages are started when something needs them and run side by side; each is a
// chain of steps. A step that changes files gets an overlay on top of what the
// steps before it left; the overlay's upper folder is its result, and stays in
// the build cache under a key made of everything that went into it. Only the
// layers of the final image are stored with the other images.
//
// Everything here runs as uid 0 of rl's user namespace, in a mount namespace of
// its own, in the full program. Mounts and processes end with the program,
// however that ends; its scratch folder is removed by the next build.
package build

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/scratch"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage/store"
)

// Options say what to build, and how.
type Options struct {
	// Context is the folder that COPY and ADD copy from.
	Context string
	// File is the Dockerfile's text, and FileName what messages call it.
	File     []byte
	FileName string
	// Ignore is the text of .dockerignore.
	Ignore []byte
	// Named are the contexts of --build-context: folders, URLs, Git repositories,
	// docker-image://NAME, oci-layout://FOLDER.
	Named map[string]string
	// Tags are complete references for the image.
	Tags []string
	// Args are the values of --build-arg.
	Args map[string]string
	// Labels are added to the image's.
	Labels map[string]string
	// Target is the name or number of the stage to build; empty for the last.
	Target string
	// NoCache executes every step; NoCacheFor those of the stages named.
	NoCache    bool
	NoCacheFor []string
	// Pull is when to pull base images: store.PullMissing or store.PullAlways.
	Pull string
	// Platform is what to build for, as OS/ARCH; empty for this machine's.
	Platform string
	// Network is the network of RUN: default, none or host.
	Network string
	// Hosts are further lines for /etc/hosts, as NAME:IP.
	Hosts []string
	// ShmSize, Ulimits and Limits are those of RUN, as typed for a container.
	ShmSize string
	Ulimits []string
	Limits  spec.Limits
	// CgroupParent is where the control groups of RUN go: a slice of systemd's, or a
	// path below what is delegated; "" for the usual place.
	CgroupParent string
	// SecurityOpt are the words of --security-opt, for RUN, and Seccomp is the text of
	// the profile that they name.
	SecurityOpt []string
	Seccomp     []byte
	// Secrets are what --secret names, by their ids. They get into the RUNs that
	// mount them and nowhere else.
	Secrets map[string][]byte
	// SSH are the agents of --ssh, by their ids.
	SSH map[string]SSH
	// KnownHosts is the file with the keys of servers, for Git over SSH.
	KnownHosts string
	// Allow are the rights that RUN may ask for: network.host, security.insecure,
	// device, device=NAME.
	Allow []string
	// CDIDirs are the folders of CDI files, for RUN --device.
	CDIDirs []string
	// Made, if not nil, tells what time the context is from, nil if it is from none: for
	// SOURCE_DATE_EPOCH=context.
	Made func() (*time.Time, error)
	// Annotations are those of the image's manifest.
	Annotations map[string]string
	// Outputs are the forms in which the result is wanted; none stands for an image.
	Outputs []Output
	// Squash makes one layer of all those that the build adds.
	Squash bool
	// CacheFrom and CacheTo are caches elsewhere to take results from and to leave
	// them in.
	CacheFrom []store.Remote
	CacheTo   []CacheTo
	// Debug, if not nil, gets a shell in a RUN that failed.
	Debug *Debug
	// AskRegistries lets Check look there for base images that are not stored.
	AskRegistries bool
	// Progress is told what happens.
	Progress *Progress
}

// CacheTo is a cache elsewhere to leave results in.
type CacheTo struct {
	store.Remote
	// All is whether the steps of all stages go there, and not only those that the
	// image consists of.
	All bool
}

// Image is what a build made.
type Image struct {
	ID string // 64 hexadecimal digits
	// Manifest describes the image's manifest, with the platform, and when it was made.
	Manifest ispec.Descriptor
	// Names are the complete references that it got.
	Names []string
}

// describe completes what Image says of a manifest from the image's configuration.
func (i *Image) describe(config []byte) error {
	var about ispec.Image
	if err := json.Unmarshal(config, &about); err != nil {
		return err
	}
	i.Manifest.Platform = &about.Platform
	i.Manifest.Annotations = map[string]string{ispec.AnnotationCreated: about.Created.UTC().Format(time.RFC3339)}
	return nil
}

// Build builds an image and stores it.
func Build(ctx context.Context, places dirs.Dirs, images *store.Store, o Options) (img Image, err error) {
	b := &builder{Options: o, places: places, images: images, cache: cacheIn(places.Data), external: map[string]*stage{}}
	if err := b.readFile(); err != nil {
		return img, err
	}
	target, err := b.target()
	if err != nil {
		return img, err
	}
	if b.agents, err = openAgents(o.SSH); err != nil {
		return img, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.cancel = cancel
	b.importCaches(ctx)
	if b.scratch, err = scratch.Open(filepath.Join(places.Data, "tmp"), scratchPrefix); err != nil {
		return img, outOfSpace(err)
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.context, err = openContext(o.Context, o.Ignore, openDigests(b.cache.digests())); err != nil {
		return img, err
	}
	if err := target.wait(ctx); err != nil {
		b.stages.Wait()
		return img, outOfSpace(err)
	}
	if target, err = target.present(ctx); err != nil {
		b.stages.Wait()
		return img, outOfSpace(err)
	}
	if img, err = b.finish(ctx, target); err != nil {
		return img, err
	}
	return img, b.exportCaches(ctx, target)
}

// close waits for what still runs and leaves nothing behind.
func (b *builder) close() error {
	b.cancel(errors.New("the build is over"))
	b.stages.Wait()
	err := b.networks.close()
	if len(b.claims) > 0 {
		err = errors.Join(err, b.images.Location().Release(b.claims...))
	}
	if b.context != nil {
		b.context.digests.save()
		b.context.close()
	}
	for _, c := range b.opened {
		c.close()
	}
	for _, c := range b.imports {
		err = errors.Join(err, c.Close())
	}
	for _, place := range b.attached {
		// Or else removing the folder would remove the person's files.
		if err := unix.Unmount(place, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("take the context away from %s: %w", place, err)
		}
	}
	return errors.Join(err, b.scratch.Close())
}

// newID returns 64 random hexadecimal digits.
func newID() string {
	var id [32]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// stepFiles are the files below /etc that every RUN sees.
func (b *builder) stepFiles(dir string, n *runner.StepNetwork, mode string) (map[string]string, error) {
	hosts, resolv := runner.StaticFiles(mode)
	if n != nil {
		hosts, resolv = n.Hosts, n.ResolvConf
	}
	lines, err := hostLines(b.Hosts)
	if err != nil {
		return nil, err
	}
	text := map[string][]byte{"hosts": append(append([]byte{}, hosts...), lines...), "resolv.conf": resolv, "hostname": []byte(runner.StepHostname + "\n")}
	files := map[string]string{}
	for name, content := range text {
		files["/etc/"+name] = filepath.Join(dir, name)
		if err := os.WriteFile(files["/etc/"+name], content, 0o644); err != nil {
			return nil, err
		}
	}
	return files, nil
}
