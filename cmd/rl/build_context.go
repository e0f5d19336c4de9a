//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rl-project/rl/build"
)

// fetch gets the build's files and reads the Dockerfile.
func (c *buildCmd) fetch(ctx context.Context, a *app, o *build.Options) (*build.Fetched, error) {
	keep, _ := strconv.ParseBool(o.Args["BUILDKIT_CONTEXT_KEEP_GIT_DIR"])
	folder, file := c.Context, c.File
	if info, err := os.Stat(lentPath(folder)); err == nil && info.IsDir() && folder != "-" {
		folder = lentPath(folder)
		if file != "" && file != "-" {
			file = lentPath(file)
		}
	}
	files, err := build.Fetch(ctx, a.places, build.Where{
		Context: folder, File: file, Stdin: a.stdin, Secrets: o.Secrets, KeepGit: keep,
		SSH: o.SSH, KnownHosts: o.KnownHosts,
	})
	if err != nil {
		return nil, err
	}
	o.Context, o.File, o.FileName, o.Ignore = files.Dir, files.File, files.FileName, files.Ignore
	o.Made = files.Made
	return files, nil
}

// explainFetch is an error about the files of a build: bad input, unless somebody
// ended it.
func explainFetch(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{130, errors.New("the build was interrupted")}
	}
	return &exitError{exitUsage, err}
}

// contexts reads --build-context NAME=WHERE.
func contexts(list []string) (map[string]string, error) {
	found := map[string]string{}
	for _, text := range list {
		name, where, ok := strings.Cut(text, "=")
		if !ok || name == "" || where == "" {
			return nil, fmt.Errorf("--build-context %q is not like NAME=FOLDER or NAME=docker-image://IMAGE", text)
		}
		if dir, layout := strings.CutPrefix(where, "oci-layout://"); layout {
			where = "oci-layout://" + lentPath(dir)
		} else if where = lentPath(where); !strings.Contains(where, "://") && !build.IsRemote(where) {
			if info, err := os.Stat(where); err != nil || !info.IsDir() {
				return nil, fmt.Errorf("--build-context %s: there is no such folder", text)
			}
		}
		found[name] = where
	}
	return found, nil
}
