//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/internal/replace"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

func (c *buildCmd) Run(a *app) error {
	if a.rehearsing() {
		return c.rehearse(a)
	}
	o, err := c.options(a)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	images, err := a.images()
	if err != nil {
		return err
	}
	places, err := a.dirs()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	kind, _, _ := c.readCall()
	if kind == "build" {
		if err := runner.CheckStepGroup(ctx, o.Limits, o.CgroupParent); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	files, err := c.fetch(ctx, a, &o)
	if err != nil {
		return explainFetch(ctx, err)
	}
	defer files.Close()
	if kind != "build" {
		return c.ask(ctx, a, places, images, o)
	}
	say, err := c.warn(ctx, a, places, images, o)
	if err != nil {
		return &exitError{1, err}
	}
	o.Progress = c.progress(a)
	img, err := build.Build(ctx, places, images, o)
	o.Progress.Close()
	say()
	if err != nil {
		if ctx.Err() != nil {
			return &exitError{130, errors.New("the build was interrupted")}
		}
		return a.explainBuild(err, c.Debug)
	}
	if c.Quiet && img.ID != "" {
		a.printf("sha256:%s\n", img.ID)
	}
	return c.report(img)
}

// rehearse looks at the flags and at the folder, and leaves what cannot be read twice.
func (c *buildCmd) rehearse(a *app) error {
	c.Secret, c.SSH = nil, nil
	o, err := c.options(a)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	file, err := os.Stat(lentPath(c.File))
	if c.Context == "-" || build.IsRemote(lentPath(c.Context)) || c.File == "-" || err == nil && !file.Mode().IsRegular() {
		return nil
	}
	files, err := c.fetch(context.Background(), a, &o)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return files.Close()
}

// report writes the files that say what was built. Files alone (-o type=local, tar)
// have neither id nor digest.
func (c *buildCmd) report(img build.Image) error {
	if c.Iidfile != "" && img.ID != "" {
		if err := writeReport(c.Iidfile, []byte("sha256:"+img.ID)); err != nil {
			return err
		}
	}
	if c.MetadataFile == "" {
		return nil
	}
	about := map[string]any{}
	if img.ID != "" {
		about["containerimage.config.digest"], about["containerimage.digest"] = "sha256:"+img.ID, img.Manifest.Digest
		about["containerimage.descriptor"] = img.Manifest
	}
	if len(img.Names) > 0 {
		about["image.name"] = strings.Join(img.Names, ",")
	}
	data, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	return writeReport(c.MetadataFile, data)
}

func writeReport(file string, data []byte) error {
	file = lentOutput(file)
	if err := replace.File(file, file+".rl."+strconv.Itoa(os.Getpid()), data, 0o644); err != nil {
		return fmt.Errorf("the image is built, but %w", err)
	}
	return nil
}

// explainBuild prints where a build failed. What is wrong with the Dockerfile or
// the flags ends with 125 only when nothing was begun, as with Docker it is 1.
func (a *app) explainBuild(err error, debugged bool) error {
	var failed *build.StepError
	if !errors.As(err, &failed) {
		return err
	}
	const line = "--------------------"
	if failed.Log != "" {
		fmt.Fprintf(a.stderr, "------\n%s\n------\n", failed.Log)
	}
	fmt.Fprintf(a.stderr, "%s:%d\n%s\n%s%s\n", failed.File, failed.Line, line, failed.Source, line)
	if exit := new(build.ExitError); errors.As(err, &exit) && !debugged {
		fmt.Fprintln(a.stderr, "To look at what the step left: 'rl build --debug' opens a shell in it.")
	}
	return err
}

// options reads the flags.
func (c *buildCmd) options(a *app) (o build.Options, err error) {
	o = build.Options{
		Target: c.Target, NoCache: c.NoCache, NoCacheFor: c.NoCacheFilter, Platform: c.Platform,
		Network: c.Network, Hosts: c.AddHost, ShmSize: c.ShmSize, Ulimits: c.Ulimit, Pull: store.PullMissing,
		Limits: c.limits(), Args: map[string]string{},
	}
	if !c.RM {
		return o, errors.New("--rm=false: steps run in no containers that could be kept; --debug opens a shell in one that fails")
	}
	if c.Pull {
		o.Pull = store.PullAlways
	}
	for _, arg := range c.BuildArg {
		key, value, given := strings.Cut(arg, "=")
		if key == "" {
			return o, fmt.Errorf("--build-arg %q is not like NAME=VALUE", arg)
		}
		if !given {
			if value, given = os.LookupEnv(key); !given {
				continue
			}
		}
		o.Args[key] = value
	}
	if o.Labels, err = keyValueFlags("--label", c.Label); err != nil {
		return o, err
	}
	if o.Annotations, err = annotations(c.Annotation); err != nil {
		return o, err
	}
	for _, tag := range c.Tag {
		name, err := storage.ParseReference(tag)
		if err != nil {
			return o, err
		}
		if name.Digest != "" {
			return o, fmt.Errorf("--tag %s: an image cannot be given a digest as its name", tag)
		}
		o.Tags = append(o.Tags, name.WithDefaultTag().String())
	}
	o.Squash = c.Squash
	if err = c.checkValues(a); err != nil {
		return o, err
	}
	if err = c.confine(a, &o); err != nil {
		return o, err
	}
	if err = c.openOutputs(a, &o); err != nil {
		return o, err
	}
	if err = c.private(&o); err != nil {
		return o, err
	}
	if text := os.Getenv(build.EpochArg); text != "" && o.Args[build.EpochArg] == "" {
		o.Args[build.EpochArg] = text // as buildx does
	}
	if _, err = build.ParseEpoch(o.Args[build.EpochArg]); err != nil {
		return o, err
	}
	if err = c.caches(&o); err != nil {
		return o, err
	}
	if o.Debug, err = c.debug(a); err != nil {
		return o, err
	}
	return o, nil
}

// keyValueFlags reads KEY=VALUE; a KEY alone has the empty value.
func keyValueFlags(flag string, list []string) (map[string]string, error) {
	found := map[string]string{}
	for _, text := range list {
		key, value, _ := strings.Cut(text, "=")
		if key == "" {
			return nil, fmt.Errorf("%s %q is not like KEY=VALUE", flag, text)
		}
		found[key] = value
	}
	return found, nil
}
