//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage/store"
)

// checkValues refuses what only the first RUN, or the end of the build, would find
// wrong.
func (c *buildCmd) checkValues(a *app) error {
	if c.Progress == "tty" && !c.Quiet && !term.IsTerminal(int(a.stderr.Fd())) {
		return errors.New("--progress tty needs a terminal: use plain or rawjson")
	}
	if _, _, err := c.readCall(); err != nil {
		return err
	}
	if _, err := c.limits().Resources(runtime.NumCPU()); err != nil {
		return err
	}
	if _, err := spec.ParseShmSize(c.ShmSize); err != nil {
		return err
	}
	for _, limit := range c.Ulimit {
		if _, err := spec.ParseUlimit(limit); err != nil {
			return err
		}
	}
	if c.Platform != "" {
		if _, err := store.ParsePlatform(c.Platform); err != nil {
			return fmt.Errorf("--platform: %w", err)
		}
	}
	if err := checkReport("--iidfile", c.Iidfile); err != nil {
		return err
	}
	return checkReport("--metadata-file", c.MetadataFile)
}

func (c *buildCmd) limits() spec.Limits {
	return spec.Limits{
		Memory: c.Memory, MemorySwap: c.MemorySwap, CPUShares: c.CPUShares, CPUPeriod: c.CPUPeriod,
		CPUQuota: c.CPUQuota, CPUSetCPUs: c.CPUSetCPUs, CPUSetMems: c.CPUSetMems,
	}
}

// confine reads how RUN is confined: --security-opt, --cgroup-parent.
func (c *buildCmd) confine(a *app, o *build.Options) (err error) {
	read := func(name string) ([]byte, error) { return os.ReadFile(lentPath(name)) }
	o.SecurityOpt = c.SecurityOpt
	var notes []string
	if o.Seccomp, notes, err = spec.ReadSecurity(c.SecurityOpt, read); err != nil {
		return err
	}
	a.printNotes(notes)
	places, err := a.dirs()
	if places.UID != 0 { // root's lies there already, see lendGroup
		o.CgroupParent = c.CgroupParent
	}
	return err
}

// checkReport wants the folder to be there of a file that is written at the end.
func checkReport(flag, file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(lentOutput(file)); err == nil && info.IsDir() {
		return fmt.Errorf("%s %s: it is a folder: name a file in it", flag, file)
	}
	if info, err := os.Stat(filepath.Dir(lentOutput(file))); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no folder %s", flag, filepath.Dir(file))
	}
	return nil
}

// annotations reads --annotation [manifest:]KEY=VALUE. The other objects that Docker
// has annotations for belong to images for several platforms.
func annotations(list []string) (map[string]string, error) {
	plain := slices.Clone(list)
	for i, text := range list {
		key, value, _ := strings.Cut(text, "=")
		object, name, typed := strings.Cut(key, ":")
		switch {
		case typed && object == "manifest":
			plain[i] = name + "=" + value
		case typed && slices.Contains([]string{"index", "index-descriptor", "manifest-descriptor"}, object):
			return nil, fmt.Errorf("--annotation %s: the image is for one platform, and has a manifest but no index: leave out %q", text, object+":")
		}
	}
	return keyValueFlags("--annotation", plain)
}
