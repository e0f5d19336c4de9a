package runner

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/seccomp"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// draft is a new container that has its folder, its name and its volumes, but
// is not written down yet: found by nobody, and swept away with its name when
// its maker is killed. It can be started, which takes long enough to keep it
// meanwhile.
type draft struct {
	Container
	facts  spec.Facts
	store  Store
	image  *storage.Image
	lock   *os.File // the container's
	leases leases
	// unlock lets networks be removed again.
	unlock func()
}

// draft makes a container as asked, and takes its lock. The caller is in the user
// namespace. On failure nothing is left on disk.
func (s Store) draft(o CreateOptions) (*draft, error) {
	if o.Name != "" {
		if err := ValidName(o.Name); err != nil {
			return nil, err
		}
	}
	d := &draft{store: s}
	var err error
	if d.image, err = s.image(o); errors.Is(err, storage.ErrNotResolved) {
		return nil, cmp.Or(s.foresee(o), err)
	} else if err != nil {
		return nil, err
	}
	if err := d.describe(o); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if d.lock, err = s.newFolder(d.ID); err != nil {
		return nil, err
	}
	if err := d.fill(o.Name); err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// foresee finds what is wrong with o whatever its image is, which has to be
// fetched first: nobody is to wait for a download in vain. The image says which
// users and groups there are, and may have the command.
func (s Store) foresee(o CreateOptions) error {
	o.Options.User, o.Options.GroupAdd, o.Options.Args = "", nil, []string{"command"}
	d := draft{store: s, image: new(storage.Image)}
	return d.describe(o)
}

// fill makes what the folder holds beside the description.
func (d *draft) fill(name string) (err error) {
	s := d.store
	if err := s.nameContainer(&d.Container, name); err != nil {
		return err
	}
	if err := makeOverlay(s.Folder(d.ID), d.image); err != nil {
		return err
	}
	for _, name := range etcFiles {
		if err := os.WriteFile(s.file(d.ID, name), nil, 0o644); err != nil {
			return err
		}
	}
	if d.unlock, err = s.useNetworks(d.Networks); err != nil {
		return err
	}
	d.leases, err = s.leaseVolumes(d.Container)
	return err
}

// keep claims the image, so that nobody removes it, and writes the container
// down. It fails with storage.ErrNotResolved where the image may be gone already.
func (d *draft) keep() error {
	if err := claimImage(d.image, d.ID, d.store.Folder(d.ID)); err != nil {
		return err
	}
	if err := d.store.saveContainer(d.Container); err != nil {
		return err
	}
	d.free()
	return nil
}

// free gives up what keeps others from removing what a draft uses.
func (d *draft) free() {
	d.leases.close()
	if d.unlock != nil {
		d.unlock()
	}
}

// discard takes a draft away that is not to be kept.
func (d *draft) discard() error {
	err := d.store.discard(d.Container)
	d.free()
	d.store.removeAnonymous(d.Container)
	return errors.Join(err, d.lock.Close())
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

// describe builds the description.
func (d *draft) describe(o CreateOptions) error {
	s, img := d.store, d.image
	d.Container = Container{
		ID: newID(), Created: time.Now(), Image: o.Image, RootFS: *img,
		OpenStdin: o.OpenStdin, AutoRemove: o.AutoRemove, Ports: o.Ports, Log: o.Log,
	}
	c := &d.Container
	o.Options.ID = c.ID
	if err := s.resolveJoins(&o.Options); err != nil {
		return err
	}
	var err error
	if c.Networks, err = s.planNetworks(&o); err != nil {
		return err
	}
	if o.Options.Rootfs != "" {
		o.Options.Rootfs = rootfsOf(o)
		c.Image = o.Options.Rootfs
	}
	c.Options = o.Options
	host, err := s.host(c.ID, img.Layers)
	if err != nil {
		return err
	}
	host.Dir = o.Dir
	if name, err := s.joinedHostname(o.Options); err != nil {
		return err
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
		return err
	}
	if d.facts, err = spec.FactsOf(c.Spec); err != nil {
		return err
	}
	c.Volumes = volumeNames(d.facts)
	c.Spec.Root.Path = s.root()
	c.Config = effective(img.Config, o.Options, c.Spec, d.facts)
	if d.facts.Seccomp == spec.SeccompProfile {
		// A filter that cannot be compiled is to be refused now.
		_, err = filterOf(c.Spec)
	}
	return err
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

// filterOf compiles a container's seccomp filter.
func filterOf(s *specs.Spec) (f boot.Filter, err error) {
	facts, err := spec.FactsOf(s)
	if err != nil {
		return f, err
	}
	switch facts.Seccomp {
	case spec.SeccompDefault:
		f.Program, err = seccomp.Default(s.Process.Capabilities.Bounding)
	case spec.SeccompProfile:
		if f.Flags, err = seccomp.Flags(s.Linux.Seccomp); err == nil {
			f.Program, err = seccomp.Compile(s.Linux.Seccomp)
		}
	}
	return f, err
}
