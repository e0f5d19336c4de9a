package spec

import (
	"fmt"
	"path"
	"slices"
)

// setCommand combines the image's ENTRYPOINT and CMD with --entrypoint and the arguments.
func (b *builder) setCommand() error {
	args := Command(b.opts.Entrypoint, b.opts.Args, b.img.Entrypoint, b.img.Cmd)
	if len(args) == 0 || args[0] == "" {
		return ErrNoCommand
	}
	dir, err := workdir(b.opts.Workdir, b.img.WorkingDir)
	if err != nil {
		return err
	}
	b.spec.Process.Args = args
	b.spec.Process.Cwd = dir
	b.spec.Process.Terminal = b.opts.TTY
	b.spec.Root.Readonly = b.opts.ReadOnly
	b.facts.Init = b.opts.Init
	b.facts.Systemd, err = isSystemd(b.opts.Systemd, args[0])
	return err
}

// isSystemd reports whether the container is prepared for an init system.
func isSystemd(mode, command string) (bool, error) {
	switch mode {
	case "always":
		return true, nil
	case "false":
		return false, nil
	case "", "true":
		names := []string{"systemd", "/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd"}
		return slices.Contains(names, command), nil
	}
	return false, fmt.Errorf("--systemd %q: choose true (where the command is an init system), always or false", mode)
}

// Command gives the words that are executed. Arguments replace the image's CMD, and so does an entrypoint of
// the user's, even an empty one: the image's CMD was written for the image's entrypoint.
func Command(entrypoint *string, args, imageEntrypoint, imageCmd []string) []string {
	first, rest := imageEntrypoint, args
	if entrypoint != nil {
		first = nil
		if *entrypoint != "" {
			first = []string{*entrypoint}
		}
	} else if len(rest) == 0 {
		rest = imageCmd
	}
	words := make([]string, 0, len(first)+len(rest))
	return append(append(words, first...), rest...)
}

func workdir(asked, image string) (string, error) {
	dir := asked
	if dir == "" {
		dir = image
	}
	if dir == "" {
		return "/", nil
	}
	if !path.IsAbs(dir) {
		if asked == "" { // images may say `WORKDIR app`, which their builder took to be below /
			return path.Clean("/" + dir), nil
		}
		return "", fmt.Errorf("the working directory %q is not an absolute path: begin it with /", dir)
	}
	return path.Clean(dir), nil
}
