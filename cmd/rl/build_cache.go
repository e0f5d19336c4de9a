package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// cachePlace is one --cache-from or --cache-to, read.
type cachePlace struct {
	name, folder string
	all          bool // mode=max
}

// readCachePlace reads NAME or type=registry,ref=NAME or type=local,src=FOLDER
// (dest=FOLDER to write to, with mode=min or mode=max).
func readCachePlace(flag, folderKey, text string) (p cachePlace, err error) {
	if !strings.Contains(text, "=") {
		return cachePlace{name: text}, nil
	}
	kind, name, folder, mode := "", "", "", "min"
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "type":
			kind = value
		case "ref":
			name = value
		case folderKey:
			folder = value
		case "mode":
			if mode = value; folderKey != "dest" || mode != "min" && mode != "max" {
				return p, fmt.Errorf("%s %s: mode=%s: --cache-to knows mode=min and mode=max", flag, text, value)
			}
		default:
			return p, fmt.Errorf("%s %s: %q is not one of type, ref and %s", flag, text, key, folderKey)
		}
	}
	switch {
	case kind == "registry" && name != "" && folder == "":
		return cachePlace{name: name, all: mode == "max"}, nil
	case kind == "local" && folder != "" && name == "":
		return cachePlace{folder: filepath.Clean(folder), all: mode == "max"}, nil
	}
	return p, fmt.Errorf("%s %s is not like type=registry,ref=NAME or type=local,%s=FOLDER", flag, text, folderKey)
}

// cachePlaces reads all of --cache-from and --cache-to.
func (c *buildCmd) cachePlaces() (from, to []cachePlace, err error) {
	for _, text := range c.CacheFrom {
		p, err := readCachePlace("--cache-from", "src", text)
		if err != nil {
			return nil, nil, err
		}
		from = append(from, p)
	}
	for _, text := range c.CacheTo {
		p, err := readCachePlace("--cache-to", "dest", text)
		if err != nil {
			return nil, nil, err
		}
		to = append(to, p)
	}
	return from, to, nil
}

// cacheFolders are the folders among them.
func (c *buildCmd) cacheFolders() (paths []string) {
	from, to, err := c.cachePlaces()
	if err != nil {
		return nil // said again where the command is carried out
	}
	for _, p := range append(from, to...) {
		if p.folder != "" {
			paths = append(paths, p.folder, filepath.Dir(p.folder))
		}
	}
	return paths
}
