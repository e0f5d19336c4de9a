package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// buildOutput is one --output, read.
type buildOutput struct {
	kind, dest, name string
}

// outputKinds are the types of --output.
var outputKinds = [...]string{"docker", "image", "local", "oci", "tar"}

// readOutput reads --output: FOLDER, - or type=KIND,dest=PATH,name=NAME.
func readOutput(text string) (o buildOutput, err error) {
	if !strings.Contains(text, "=") {
		if text == "-" {
			return buildOutput{kind: "tar", dest: "-"}, nil
		}
		return buildOutput{kind: "local", dest: text}, nil
	}
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(key) {
		case "type":
			o.kind = value
		case "dest":
			o.dest = value
		case "name":
			o.name = value
		default:
			return o, fmt.Errorf("--output %s: %q is not one of type, dest and name", text, key)
		}
	}
	return o, o.check(text)
}

func (o *buildOutput) check(text string) error {
	if !slices.Contains(outputKinds[:], o.kind) {
		return fmt.Errorf("--output %s: type %q is not one of %s", text, o.kind, strings.Join(outputKinds[:], ", "))
	}
	files := o.kind == "local" || o.kind == "tar"
	switch {
	case o.kind == "local" && (o.dest == "" || o.dest == "-"):
		return fmt.Errorf("--output %s: name the folder for the files, with dest=FOLDER", text)
	case o.kind == "image" && o.dest != "":
		return fmt.Errorf("--output %s: an image goes to no file: use type=oci or type=docker", text)
	case files && o.name != "":
		return fmt.Errorf("--output %s: files have no name: leave out name", text)
	case o.kind == "docker" && o.dest == "":
		o.kind = "image" // as Docker's own: where images are
	case o.dest == "":
		if o.kind != "image" {
			o.dest = "-"
		}
	}
	return nil
}

// outputs reads all of --output.
func (c *buildCmd) outputs() (list []buildOutput, err error) {
	stdout := false
	for _, text := range c.Output {
		o, err := readOutput(text)
		if err != nil {
			return nil, err
		}
		if o.dest == "-" && stdout {
			return nil, fmt.Errorf("--output %s: only one output can go to standard output", text)
		}
		stdout = stdout || o.dest == "-"
		list = append(list, o)
	}
	return list, nil
}

// outputPlaces are the folders that outputs are written to.
func (c *buildCmd) outputPlaces() (paths []string) {
	list, err := c.outputs()
	if err != nil {
		return nil // said again where the command is carried out
	}
	for _, o := range list {
		if o.dest == "" || o.dest == "-" {
			continue
		}
		paths = append(paths, outputKey(filepath.Clean(o.dest)))
		if o.kind == "local" {
			paths = append(paths, filepath.Clean(o.dest))
		}
	}
	return paths
}
