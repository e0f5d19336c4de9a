package store

import (
	"slices"
	"strings"
	"time"

	"github.com/rl-project/rl/storage"
)

// Inspection is what `image inspect` shows: Docker's names for what an image is.
type Inspection struct {
	ID            string `json:"Id"`
	RepoTags      []string
	RepoDigests   []string
	Parent        string
	Comment       string
	Created       string
	DockerVersion string
	Author        string
	Config        InspectedConfig
	Architecture  string
	Variant       string `json:",omitempty"`
	Os            string
	OsVersion     string `json:",omitempty"`
	Size          int64
	GraphDriver   InspectedDriver
	RootFS        InspectedRootFS
	Metadata      struct{ LastTagTime time.Time }
}

// InspectedConfig is how containers of an image run unless told otherwise.
type InspectedConfig struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Healthcheck  *healthcheck `json:",omitempty"`
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string   `json:",omitempty"`
	Shell        []string `json:",omitempty"`
}

// InspectedDriver is where the image's files are.
type InspectedDriver struct {
	Data map[string]string
	Name string
}

// InspectedRootFS lists the layers, the lowest first, by the digests of their
// unpacked archives.
type InspectedRootFS struct {
	Type   string
	Layers []string `json:",omitempty"`
}

// Inspect returns everything about the image that ref names.
func (s *Store) Inspect(ref, platform string) (Inspection, error) {
	f, err := s.findPlatform(ref, platform)
	if err != nil {
		return Inspection{}, err
	}
	c, err := s.config(f.Image)
	if err != nil {
		return Inspection{}, err
	}
	d, err := s.describe(f.Image)
	if err != nil {
		return Inspection{}, err
	}
	out := Inspection{
		ID: "sha256:" + f.ID, Comment: c.Comment, Author: c.Author, DockerVersion: c.DockerVersion,
		Created: d.Created.UTC().Format(time.RFC3339Nano), Config: inspectedConfig(c.Config),
		Architecture: c.Architecture, Variant: c.Variant, Os: c.OS, OsVersion: c.OSVersion,
		Size: d.Size, GraphDriver: inspectedDriver(d), RootFS: InspectedRootFS{Type: c.RootFS.Type},
	}
	out.RepoTags, out.RepoDigests = repoNames(f.Names, d.Digest)
	for _, diffID := range c.RootFS.DiffIDs {
		out.RootFS.Layers = append(out.RootFS.Layers, diffID.String())
	}
	if c.Comment == "" && len(c.History) > 0 {
		out.Comment = c.History[len(c.History)-1].Comment
	}
	out.Metadata.LastTagTime = f.Created
	return out, nil
}

func inspectedConfig(c dockerConfig) InspectedConfig {
	return InspectedConfig{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Healthcheck: c.Healthcheck,
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint,
		OnBuild: c.OnBuild, Labels: c.Labels, StopSignal: c.StopSignal, Shell: c.Shell,
	}
}

func inspectedDriver(d *storage.Image) InspectedDriver {
	driver := InspectedDriver{Name: d.Store.Driver, Data: map[string]string{"UpperDir": d.Layers[0]}}
	if len(d.Layers) > 1 {
		driver.Data["LowerDir"] = strings.Join(d.Layers[1:], ":")
	}
	return driver
}

// repoNames splits names into those with tags and those with digests, as people
// write them. Every repository that a name is in knows the image's digest.
func repoNames(names []string, digest string) (tags, digests []string) {
	tags, digests = []string{}, []string{}
	for _, name := range names {
		r, err := storage.ParseReference(name)
		if err != nil {
			continue
		}
		if r.Tag != "" {
			tags = append(tags, r.Familiar())
		}
		if r.Digest == "" {
			r.Digest = digest
		}
		if d := r.FamiliarName() + "@" + r.Digest; r.Digest != "" && !slices.Contains(digests, d) {
			digests = append(digests, d)
		}
	}
	return tags, digests
}
