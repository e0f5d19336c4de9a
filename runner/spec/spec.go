// Package spec turns what a person asked of `rl run` or `rl create`, together with the configuration of the
// image, into an OCI runtime-spec value: the container as data, before any system call is made for it.
//
// The rules are Docker's: its default mounts, capabilities, masked paths, limits and the way command,
// environment and user of the image combine with the flags. Where a user namespace cannot do what Docker
// does as root, the value says what is done instead:
//
//   - Devices are bind mounts of the host's (Spec.Mounts), because mknod fails in a user namespace.
//     Linux.Devices stays empty.
//   - With the host's network /sys is a read-only bind of the host's, and with the host's pid namespace
//     /proc is a bind of the host's: sysfs and proc can be mounted only by the owners of those namespaces.
//   - Docker's default seccomp profile is not spelled out in Linux.Seccomp (it would be most of the file):
//     Facts.Seccomp says SeccompDefault. A profile of the user's own is in Linux.Seccomp.
//   - A bind mount that is read-only carries "rro": read-only with everything mounted below it.
//   - Namespaces that are the host's are not listed; those of another container are named in Facts.Join.
//
// What OCI has no field for is in Facts, stored as JSON in one annotation of the value (see FactsOf).
//
// The package is linked into the program that has to start in a millisecond: no dependency of it may do
// work at init.
package spec

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/storage"
)

// builder carries what the steps of Build share.
type builder struct {
	opts   Options
	img    storage.Config
	host   Host
	spec   *specs.Spec
	facts  Facts
	mounts []Mount      // what the user asked for, parsed
	sec    securityOpts // --security-opt, parsed
	user   UserIdentity // who runs the command
}

// Build describes the container that opts ask for, run from an image with configuration img on host.
// It reads files that opts name (--env-file, --label-file, a seccomp profile, block devices of limits) and
// nothing else; it changes nothing. An error is one line that says what is wrong and what to do.
func Build(opts Options, img storage.Config, host Host) (*specs.Spec, error) {
	b := &builder{opts: opts, img: img, host: host, spec: skeleton()}
	steps := []func() error{
		b.parseSecurity,
		b.parseMounts,
		b.setNamespaces,
		b.setNames,
		b.setUser,
		b.setCommand,
		b.setEnv,
		b.setHostname,
		b.setCapabilities,
		b.setSecurity,
		b.setRlimits,
		b.setOOMScore,
		b.setMounts,
		b.setSysctls,
		b.setResources,
		b.setInjection,
		b.setLifecycle,
		b.setHealth,
		b.setLabels,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := b.facts.store(b.spec); err != nil {
		return nil, fmt.Errorf("describe the container: %w", err)
	}
	return b.spec, nil
}

// skeleton is the value before any option: everything later steps may assume to be non-nil.
func skeleton() *specs.Spec {
	return &specs.Spec{
		Version:     specs.Version,
		Process:     &specs.Process{},
		Root:        &specs.Root{},
		Annotations: map[string]string{},
		Linux:       &specs.Linux{},
	}
}
