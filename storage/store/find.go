package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	istorage "go.podman.io/image/v5/storage"
	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// A found image is one that a person's reference led to.
type found struct {
	*cstorage.Image
	// name is the complete reference that matched, "" if it was an id.
	name string
}

// find returns the stored image that ref names: a whole id, a name, or the
// beginning of an id, in this order, as Docker does. A plain name that is not
// there from Docker Hub may be one that Podman built, "localhost/NAME".
func (s *Store) find(ref string) (found, error) {
	name, err := storage.NormalizeReference(ref)
	if err == nil {
		for _, candidate := range []string{name, localName(ref)} {
			img, err := s.findName(candidate)
			if err == nil || !errors.Is(err, ErrNoSuchImage) {
				return found{img, candidate}, err
			}
		}
	}
	if id, ok := storage.IDPrefix(ref); ok {
		img, err := s.store.Image(id)
		if err == nil {
			return found{Image: img}, nil
		}
		if !errors.Is(err, cstorage.ErrImageUnknown) {
			return found{}, fmt.Errorf("image %s: %w", ref, err)
		}
	} else if err != nil {
		return found{}, err
	}
	return found{}, fmt.Errorf("%w: %s", ErrNoSuchImage, ref)
}

// localName returns the name that Podman gives what it builds as ref.
func localName(ref string) string {
	r, err := storage.ParseReference(ref)
	if err != nil || r.FamiliarName() == r.Name() || strings.HasPrefix(ref, r.Domain+"/") {
		return ""
	}
	r.Path, r.Domain = r.FamiliarName(), "localhost"
	return r.WithDefaultTag().String()
}

// findName returns the image that has a complete reference as one of its names.
func (s *Store) findName(name string) (*cstorage.Image, error) {
	named, err := reference.ParseNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSuchImage, name)
	}
	ref, err := istorage.Transport.NewStoreReference(s.store, named, "")
	if err != nil {
		return nil, err
	}
	_, img, err := istorage.ResolveReference(ref)
	if errors.Is(err, istorage.ErrNoSuchImage) {
		return nil, fmt.Errorf("%w: %s", ErrNoSuchImage, name)
	}
	return img, err
}

// config is an image's configuration: what the image specification has, and
// what Docker has besides.
type config struct {
	ispec.Image
	Config dockerConfig `json:"config"`

	DockerVersion string `json:"docker_version,omitempty"`
	Comment       string `json:"comment,omitempty"`
}

type dockerConfig struct {
	ispec.ImageConfig
	Healthcheck *healthcheck `json:",omitempty"`
	OnBuild     []string     `json:",omitempty"`
	Shell       []string     `json:",omitempty"`
}

// plain is the configuration as containers are made from it.
func (c dockerConfig) plain() storage.Config {
	i := c.ImageConfig
	return storage.Config{
		User: i.User, ExposedPorts: i.ExposedPorts, Env: i.Env, Entrypoint: i.Entrypoint, Cmd: i.Cmd, Volumes: i.Volumes,
		WorkingDir: i.WorkingDir, Labels: i.Labels, StopSignal: i.StopSignal,
		//lint:ignore SA1019 Docker writes it
		ArgsEscaped: i.ArgsEscaped,
		Healthcheck: (*storage.Healthcheck)(c.Healthcheck), Shell: c.Shell,
	}
}

// healthcheck has durations in nanoseconds.
type healthcheck struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

// configBlob returns the configuration of a stored image as it came. Its digest
// need not be the image's id: the manifest says what it is.
func (s *Store) configBlob(img *cstorage.Image) ([]byte, error) {
	data, err := s.store.ImageBigData(img.ID, cstorage.ImageDigestBigDataKey)
	if err != nil {
		return nil, fmt.Errorf("manifest of image %s: %w", shortID(img.ID), err)
	}
	m, err := manifest.FromBlob(data, manifest.GuessMIMEType(data))
	if err != nil {
		return nil, fmt.Errorf("manifest of image %s: %w", shortID(img.ID), err)
	}
	data, err = s.store.ImageBigData(img.ID, m.ConfigInfo().Digest.String())
	if err != nil {
		return nil, fmt.Errorf("configuration of image %s: %w", shortID(img.ID), err)
	}
	return data, nil
}

// config reads the configuration of a stored image.
func (s *Store) config(img *cstorage.Image) (config, error) {
	var c config
	data, err := s.configBlob(img)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("configuration of image %s: %w", shortID(img.ID), err)
	}
	return c, nil
}

// layers returns an image's layers, the topmost first.
func (s *Store) layers(img *cstorage.Image) ([]*cstorage.Layer, error) {
	var layers []*cstorage.Layer
	for id := img.TopLayer; id != ""; {
		layer, err := s.store.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("layer %s of image %s: %w", shortID(id), shortID(img.ID), err)
		}
		layers = append(layers, layer)
		id = layer.Parent
	}
	return layers, nil
}

// layerSize returns the unpacked bytes of layers. Stores of old programs may
// not know them.
func layerSize(layers []*cstorage.Layer) int64 {
	var sum int64
	for _, l := range layers {
		sum += max(l.UncompressedSize, 0)
	}
	return sum
}

// describe gathers what starting a container of img has to know.
func (s *Store) describe(img *cstorage.Image) (*storage.Image, error) {
	c, err := s.config(img)
	if err != nil {
		return nil, err
	}
	layers, err := s.layers(img)
	if err != nil {
		return nil, err
	}
	out := &storage.Image{
		ID: img.ID, Digest: img.Digest.String(), Names: img.Names,
		Platform: storage.Platform(c.Platform), Config: c.Config.plain(),
		Size: layerSize(layers), Store: s.location(),
		RootMode: 0o755,
	}
	if c.Created != nil {
		out.Created = *c.Created
	}
	if s.driverName() == vfs && len(layers) > 0 {
		// Each of its folders has everything that is below it as well.
		layers = layers[:1]
	}
	for _, l := range layers {
		dir, link, err := s.layerFolder(l.ID)
		if err != nil {
			return nil, err
		}
		out.Layers, out.Links = append(out.Layers, dir), append(out.Links, link)
	}
	return out, s.describeRoot(out)
}

// unnamedRoot is the mode that containers/storage gives a layer's root folder, of
// which it takes nothing from the archive. Docker's containers have 0755, and a
// copy of a folder that its owner may not write cannot be removed by rm -r.
const unnamedRoot = 0o555

// describeRoot notes mode and owner of the image's root folder. An image
// without layers is given an empty one, since an overlay needs something below.
func (s *Store) describeRoot(out *storage.Image) error {
	if len(out.Layers) == 0 {
		empty := filepath.Join(s.options.Data, "images", "empty")
		if err := os.MkdirAll(empty, 0o755); err != nil {
			return err
		}
		out.Layers, out.Links = []string{empty}, []string{empty}
	}
	info, err := os.Stat(out.Layers[0])
	if err != nil {
		return fmt.Errorf("image %s: %w", shortID(out.ID), err)
	}
	st := info.Sys().(*syscall.Stat_t)
	out.RootMode, out.RootUID, out.RootGID = st.Mode&0o7777, int(st.Uid), int(st.Gid)
	if out.RootMode == unnamedRoot {
		out.RootMode = 0o755
	}
	return nil
}

// vfs is the driver that copies instead of mounting. It is used when storage.conf
// asks for it; rl mounts even then, and only the images take their space.
const vfs = "vfs"

// layerFolder returns where a layer's files are, and a shorter path to the same
// folder that the overlay driver keeps, relative to the driver's home for the
// main store.
func (s *Store) layerFolder(id string) (dir, link string, err error) {
	for i, root := range s.imageRoots() {
		home := filepath.Join(root, s.driverName())
		dir = filepath.Join(home, id, "diff")
		if s.driverName() == vfs {
			dir = filepath.Join(home, "dir", id)
		}
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(home, id, "link"))
		link = filepath.Join("l", string(name))
		if target, err2 := os.Stat(filepath.Join(home, link)); err != nil || err2 != nil || !target.IsDir() {
			return dir, dir, nil
		}
		if i > 0 {
			link = filepath.Join(home, link)
		}
		return dir, link, nil
	}
	return "", "", fmt.Errorf("layer %s has no folder in the image store; pull the image again", shortID(id))
}

// shortID returns an id as Docker prints it.
func shortID(id string) string { return id[:min(12, len(id))] }
