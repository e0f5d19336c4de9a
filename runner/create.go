package runner

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/seccomp"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// create makes a container as asked and takes its lock. The caller is in the
// user namespace. On failure nothing is left on disk.
func (s Store) create(o CreateOptions) (c Container, lock *os.File, err error) {
	if o.Name != "" {
		if err := ValidName(o.Name); err != nil {
			return c, nil, err
		}
	}
	img, err := s.image(o)
	if err != nil {
		return c, nil, err
	}
	if c, err = s.describe(o, img); err != nil {
		return c, nil, err
	}
	if err := s.prepare(); err != nil {
		return c, nil, err
	}
	if lock, err = s.newFolder(c.ID); err != nil {
		return c, nil, err
	}
	if err = s.finish(&c, o.Name, img); err != nil {
		err = errors.Join(err, s.discard(c))
		s.removeAnonymous(c)
		lock.Close()
	}
	return c, lock, err
}

// finish makes a container of a folder that is locked. The description comes
// last: without one a folder is found by nobody, and swept away with its name.
func (s Store) finish(c *Container, name string, img *storage.Image) error {
	if err := s.nameContainer(c, name); err != nil {
		return err
	}
	if err := s.fill(*c, img); err != nil {
		return err
	}
	leases, err := s.leaseVolumes(*c)
	defer leases.close()
	if err != nil {
		return err
	}
	return s.saveContainer(*c)
}

// newFolder makes a container's folder and takes its lock. A sweep may come
// between the two and take the empty folder away.
func (s Store) newFolder(id string) (*os.File, error) {
	for {
		if err := os.Mkdir(s.Folder(id), 0o700); err != nil {
			return nil, err
		}
		lock, err := s.lock(id)
		if err == nil && s.exists(id) {
			return lock, nil
		}
		if err == nil {
			lock.Close()
		} else if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrRunning) {
			return nil, err
		}
	}
}

// describe builds the description of a new container.
func (s Store) describe(o CreateOptions, img *storage.Image) (Container, error) {
	c := Container{
		ID: newID(), Created: time.Now(), Image: o.Image, RootFS: *img,
		OpenStdin: o.OpenStdin, AutoRemove: o.AutoRemove, Ports: o.Ports, Log: o.Log,
	}
	o.Options.ID = c.ID
	if err := s.resolveJoins(&o.Options); err != nil {
		return c, err
	}
	if o.Options.Rootfs != "" {
		o.Options.Rootfs = rootfsOf(o)
		c.Image = o.Options.Rootfs
	}
	c.Options = o.Options
	host, err := s.host(c.ID, img.Layers)
	if err != nil {
		return c, err
	}
	host.Dir = o.Dir
	if name, err := s.joinedHostname(o.Options); err != nil {
		return c, err
	} else if name != "" {
		host.Hostname = name
	}
	host.Volume = s.planVolume
	host.ReadFile = func(path string) ([]byte, error) {
		if text, ok := o.Files[path]; ok {
			return text, nil
		}
		return os.ReadFile(path)
	}
	if c.Spec, err = spec.Build(o.Options, img.Config, host); err != nil {
		return c, err
	}
	facts, err := spec.FactsOf(c.Spec)
	if err != nil {
		return c, err
	}
	c.Volumes = volumeNames(facts)
	if err := checkNetwork(facts); err != nil {
		return c, err
	}
	c.Spec.Root.Path = s.root()
	c.Config = effective(img.Config, o.Options, c.Spec, facts)
	if facts.Seccomp == spec.SeccompProfile {
		// A filter that cannot be compiled is to be refused now.
		_, err = filterOf(c.Spec)
	}
	return c, err
}

// checkNetwork refuses a network that does not exist.
func checkNetwork(facts spec.Facts) error {
	switch {
	case facts.Network == "none", facts.Network == "host", facts.Network == "bridge", facts.Join[specs.NetworkNamespace] != "":
		return nil
	}
	return fmt.Errorf("network %s not found: there are none, host, bridge and container:NAME", facts.Network)
}

// host is what the description depends on beside the person and the image.
func (s Store) host(id string, layers []string) (spec.Host, error) {
	host, err := spec.LocalHost()
	if err != nil {
		return host, err
	}
	host.UID, host.GID = s.UID, s.GID
	host.Open = func(path string) (io.ReadCloser, error) { return openLayered(layers, path) }
	if host.UIDs, host.GIDs, err = ownMaps(); err != nil {
		return host, err
	}
	host.Files = map[string]string{}
	for _, name := range etcFiles {
		host.Files["/etc/"+name] = s.file(id, name)
	}
	return host, nil
}

// effective is the image's configuration with the person's changes to it.
func effective(img storage.Config, o spec.Options, s *specs.Spec, facts spec.Facts) storage.Config {
	c := img
	c.Env = s.Process.Env
	c.WorkingDir = s.Process.Cwd
	if o.User != "" {
		c.User = o.User
	}
	if o.Entrypoint != nil {
		c.Entrypoint, c.Cmd = nil, nil
		if *o.Entrypoint != "" {
			c.Entrypoint = []string{*o.Entrypoint}
		}
	}
	if len(o.Args) > 0 {
		c.Cmd = o.Args
	}
	c.ExposedPorts = exposed(img, o)
	c.Labels = facts.Labels
	return c
}

// exposed are the ports of the image and of --expose.
func exposed(img storage.Config, o spec.Options) map[string]struct{} {
	ports, _ := spec.ParseExposed(o.Expose) // Build has read them: there is no error
	if len(ports) == 0 {
		return img.ExposedPorts
	}
	all := maps.Clone(img.ExposedPorts)
	if all == nil {
		all = map[string]struct{}{}
	}
	for _, port := range ports {
		all[port] = struct{}{}
	}
	return all
}

// fill makes what a container's folder holds beside its description, and
// claims the image so that nobody removes it.
func (s Store) fill(c Container, img *storage.Image) error {
	if err := makeOverlay(s.Folder(c.ID), img); err != nil {
		return err
	}
	for _, name := range etcFiles {
		if err := os.WriteFile(s.file(c.ID, name), nil, 0o644); err != nil {
			return err
		}
	}
	return claimImage(img, c.ID, s.Folder(c.ID))
}

// nameContainer gives the container the name asked for, or makes one up.
func (s Store) nameContainer(c *Container, name string) error {
	for {
		c.Name = name
		if name == "" {
			c.Name = randomName()
		}
		err := s.takeName(c.Name, c.ID)
		if name == "" && errors.Is(err, ErrNameInUse) {
			continue
		}
		return err
	}
}

// filterOf compiles a container's seccomp filter, nil for none.
func filterOf(s *specs.Spec) ([]sockFilter, error) {
	facts, err := spec.FactsOf(s)
	if err != nil {
		return nil, err
	}
	switch facts.Seccomp {
	case spec.SeccompDefault:
		return seccomp.Default(s.Process.Capabilities.Bounding)
	case spec.SeccompProfile:
		return seccomp.Compile(s.Linux.Seccomp)
	}
	return nil, nil
}
