package build

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/storage/store"
)

// Kinds of Output.
const (
	OutputImage  = "image"  // stored with the other images
	OutputLocal  = "local"  // the files, in a folder
	OutputTar    = "tar"    // the files, as an archive
	OutputOCI    = "oci"    // the image, as an archive in the OCI layout
	OutputDocker = "docker" // the same with what old Dockers look for
)

// Output is a form in which the result of a build is wanted.
type Output struct {
	Kind string
	// Folder is where the files go of OutputLocal. It is made if it is not there.
	Folder string
	// To is called with what writes one of the archives.
	To func(write func(io.Writer) error) error
	// Names are further names of OutputImage, OutputOCI and OutputDocker.
	Names []string
}

// finish gives what a stage came to all the forms that are wanted.
func (b *builder) finish(ctx context.Context, s *stage) (img Image, err error) {
	outputs := b.Outputs
	if len(outputs) == 0 {
		outputs = []Output{{Kind: OutputImage}}
	}
	for _, o := range outputs {
		switch o.Kind {
		case OutputImage:
			img, err = b.commit(ctx, s, slices.Concat(b.Tags, o.Names))
		case OutputLocal:
			err = b.exportFolder(s, o)
		case OutputTar:
			err = b.exportTar(s, o)
		default:
			img, err = b.exportArchive(ctx, s, o)
		}
		if err != nil {
			return img, err
		}
	}
	return img, b.cache.settle()
}

// files mounts what a stage came to for reading.
func (b *builder) files(s *stage, read func(*tree.Root) error) (err error) {
	w, err := b.workspace(s.layers())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	root, err := w.open()
	if err != nil {
		return err
	}
	return read(root)
}

// exportFolder copies the files. They belong to the person, whose rights do not
// reach to give them to others.
func (b *builder) exportFolder(s *stage, o Output) (err error) {
	log := b.Progress.begin("exporting to client directory")
	defer func() { log.done(err) }()
	to, err := openMade(o.Folder)
	if err != nil {
		return err
	}
	defer to.Close()
	return b.files(s, func(root *tree.Root) error {
		return tree.CopyFolder(to, "/", root, "/", tree.CopyOptions{Owner: &tree.Owner{}, Time: b.Epoch})
	})
}

// openMade opens a folder that may have to be made.
func openMade(dir string) (*tree.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return tree.Open(dir)
}

func (b *builder) exportTar(s *stage, o Output) (err error) {
	log := b.Progress.begin("exporting to client tarball")
	defer func() { log.done(err) }()
	return b.files(s, func(root *tree.Root) error {
		return o.To(func(w io.Writer) error { return root.WriteLayer(w, b.Epoch, nil) })
	})
}

// exportArchive writes the image without storing it.
func (b *builder) exportArchive(ctx context.Context, s *stage, o Output) (img Image, err error) {
	log := b.Progress.begin("exporting to " + o.Kind + " image format")
	defer func() { log.done(err) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	draft := store.Draft{Top: s.base.Top, Names: slices.Concat(b.Tags, o.Names), Annotations: b.Annotations}
	var diffIDs []digest.Digest
	for _, p := range b.parts(s) {
		l := store.NewLayer{Write: func(w io.Writer) error { return p.write(w, b.Epoch) }}
		if err := l.Measure(); err != nil {
			return img, err
		}
		draft.Layers = append(draft.Layers, l)
		diffIDs = append(diffIDs, l.DiffID)
	}
	if draft.Config, err = b.configuration(s, diffIDs); err != nil {
		return img, err
	}
	format := store.FormatOCI
	if o.Kind == OutputDocker {
		format = store.FormatDocker
	}
	err = o.To(func(w io.Writer) error {
		img.Manifest, err = b.images.SaveDraft(ctx, w, format, draft)
		return err
	})
	img.ID, img.Names = digest.FromBytes(draft.Config).Encoded(), draft.Names
	log.print("writing image sha256:" + img.ID)
	return img, errors.Join(err, img.describe(draft.Config))
}

// part is a layer that the build puts on top of the base image: what a step left,
// or several of them made one, the topmost first.
type part []*result

// parts are the layers on top of the base image, the lowest first.
func (b *builder) parts(s *stage) []part {
	if b.Squash && len(s.results) > 1 {
		all := slices.Clone(s.results)
		slices.Reverse(all)
		return []part{all}
	}
	parts := make([]part, len(s.results))
	for i, r := range s.results {
		parts[i] = part{r}
	}
	return parts
}

// write writes the archive of the layer.
func (p part) write(w io.Writer, latest *time.Time) error {
	var uppers []*tree.Root
	defer func() {
		for _, r := range uppers {
			r.Close()
		}
	}()
	for _, r := range p {
		root, err := tree.Open(r.fs())
		if err != nil {
			return err
		}
		uppers = append(uppers, root)
	}
	if len(uppers) == 1 {
		return uppers[0].WriteLayer(w, latest, nil)
	}
	return tree.WriteMerged(w, uppers, latest)
}

// copy makes the files of the layer in an empty folder.
func (r *result) copy(dir string, latest *time.Time) error {
	from, err := tree.Open(r.fs())
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	return tree.CopyLayer(to, from, latest)
}

// squashed is the history of layers that became one: what they did, and which
// layer has it all.
func squashed(history []ispec.History, base int) []ispec.History {
	list := slices.Clone(history)
	for i := base; i < len(list); i++ {
		list[i].EmptyLayer = true
	}
	last := list[len(list)-1]
	return append(list, ispec.History{Created: last.Created, CreatedBy: "squash", Comment: historyComment})
}
