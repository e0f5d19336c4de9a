package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner"
)

// filesCommands look into the files of containers.
var filesCommands = []command{
	{
		name: "cp", aliases: []string{"container cp"}, group: groupRun,
		summary: "Copy files between a container and the host", usage: "[flags] CONTAINER:PATH PATH|- or [flags] PATH|- CONTAINER:PATH",
		examples: []string{"rl cp web:/etc/nginx/nginx.conf .", "tar -c site | rl cp - web:/srv"},
		new:      func() any { return new(cpCmd) },
	},
	{
		name: "diff", aliases: []string{"container diff"}, group: groupLook, where: inside,
		summary: "List what a container has changed in its image's files", usage: "CONTAINER",
		examples: []string{"rl diff web", "rl diff web | grep ^D"},
		new:      func() any { return new(diffCmd) },
	},
	{
		name: "export", aliases: []string{"container export"}, group: groupRun,
		summary: "Write a container's files as a tar", usage: "[flags] CONTAINER",
		examples: []string{"rl export -o web.tar web", "rl export web | rl import - web:copy"},
		new:      func() any { return new(exportCmd) },
	},
	{name: "pack", where: inside, new: func() any { return new(packCmd) }},
	{name: "unpack", where: inside, new: func() any { return new(unpackCmd) }},
}

type diffCmd struct {
	Container string `arg:"" name:"container"`
}

func (c *diffCmd) Run(a *app) error {
	s, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	changes, err := s.Diff(v.ID)
	for _, change := range changes {
		a.printf("%c %s\n", change.Kind, change.Path)
	}
	return err
}

type exportCmd struct {
	Output    string `short:"o" placeholder:"FILE" help:"Write to a file instead of standard output."`
	Container string `arg:"" name:"container"`
}

func (c *exportCmd) Run(a *app) error {
	_, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	args := []string{"pack", "--own", "--", v.ID, "/"}
	if c.Output != "" {
		return writeWhole(c.Output, func(f *os.File) error {
			b := *a
			b.stdout = f
			return b.runInside(inside, args)
		})
	}
	if term.IsTerminal(int(a.stdout.Fd())) {
		return errors.New("a tar is not written to a terminal: name a file with -o, or send standard output somewhere")
	}
	return a.runInside(inside, args)
}

// cpCmd copies with two processes. Files of the host are read and written by
// this one, with the person's own rights; those of the container by one in the
// user namespace, which has no others. Between them goes a tar, which neither
// trusts.
type cpCmd struct {
	Archive    bool   `short:"a" help:"Keep the owners of files."`
	FollowLink bool   `name:"follow-link" short:"L" help:"Copy what a symbolic link leads to."`
	Quiet      bool   `short:"q" help:"Do not tell how much was copied."`
	From       string `arg:"" name:"from"`
	To         string `arg:"" name:"to"`
}

func (c *cpCmd) Run(a *app) error {
	from, to := parsePlace(c.From), parsePlace(c.To)
	var count int64
	var err error
	switch {
	case from.container != "" && to.container != "":
		return usagef("files are copied between a container and the host: copy to the host first")
	case from.container == "" && to.container == "":
		return usagef("neither %s nor %s names a container: write CONTAINER:PATH", c.From, c.To)
	case to.container != "":
		count, err = c.into(a, from, to)
	default:
		count, err = c.outOf(a, from, to)
	}
	if err == nil && !c.Quiet && c.To != "-" {
		fmt.Fprintf(a.stderr, "Successfully copied %s to %s\n", units.HumanSize(float64(count)), c.To)
	}
	return err
}

// place is a side of a copy.
type place struct {
	container string // "" for the host
	path      string
}

// parsePlace reads CONTAINER:PATH. What begins like a path is one of the host.
func parsePlace(s string) place {
	container, path, ok := strings.Cut(s, ":")
	if filepath.IsAbs(s) || !ok || container == "" || strings.HasPrefix(container, ".") {
		return place{path: s}
	}
	return place{container, path}
}

// contents reports whether a path means what is in a folder.
func (p place) contents() bool { return p.path == "." || strings.HasSuffix(p.path, "/.") }

// name is what the path's last part is called: "." for a whole file system, which
// has no name that it could keep in a folder.
func (p place) name() string {
	path := filepath.Clean("/" + p.path)
	if p.container == "" {
		if abs, err := filepath.Abs(p.path); err == nil {
			path = abs
		}
	}
	if path == "/" {
		return "."
	}
	return filepath.Base(path)
}

// find returns the id of the container of p.
func (p place) find(a *app) (string, error) {
	s, err := a.store()
	if err != nil {
		return "", err
	}
	v, err := s.Find(p.container)
	return v.ID, err
}

// into copies from the host into a container.
func (c *cpCmd) into(a *app, from, to place) (int64, error) {
	id, err := to.find(a)
	if err != nil {
		return 0, err
	}
	args := []string{"unpack"}
	if c.Archive {
		args = append(args, "--owners")
	}
	if from.path == "-" {
		return 0, a.runInside(inside, append(args, "--", id, to.path))
	}
	root, err := tree.Open("/")
	if err != nil {
		return 0, err
	}
	defer root.Close()
	source, err := c.source(root, from)
	if err != nil {
		return 0, err
	}
	if from.contents() {
		args = append(args, "--contents")
	}
	args = append(args, "--name", from.name(), "--", id, to.path)
	var count counter
	err = a.beside(args, func(b *app, ours *os.File) { b.stdin = ours }, func(w *os.File) error {
		count.Writer = w
		return root.Pack(&count, source, ".", false)
	})
	return count.n, err
}

// source is the file of the host that is to be copied.
func (c *cpCmd) source(root *tree.Root, from place) (string, error) {
	path, err := filepath.Abs(from.path)
	if err != nil {
		return "", err
	}
	if c.FollowLink || from.contents() || strings.HasSuffix(from.path, "/") {
		if path, err = root.Resolve(path); err != nil {
			return "", err
		}
	}
	e, err := root.Lstat(path)
	if err == nil && !e.IsDir() && (from.contents() || strings.HasSuffix(from.path, "/")) {
		err = fmt.Errorf("%s is not a folder", from.path)
	}
	return path, err
}

// outOf copies from a container to the host.
func (c *cpCmd) outOf(a *app, from, to place) (int64, error) {
	id, err := from.find(a)
	if err != nil {
		return 0, err
	}
	args := []string{"pack"}
	if c.FollowLink {
		args = append(args, "--follow")
	}
	if to.path == "-" {
		if term.IsTerminal(int(a.stdout.Fd())) {
			return 0, errors.New("a tar is not written to a terminal: send standard output somewhere")
		}
		return 0, a.runInside(inside, append(args, "--name", from.name(), "--", id, from.path))
	}
	path, err := filepath.Abs(to.path)
	if err != nil {
		return 0, err
	}
	if strings.HasSuffix(to.path, "/") {
		path += "/"
	}
	root, err := tree.Open("/")
	if err != nil {
		return 0, err
	}
	defer root.Close()
	target := tree.Target{Path: path, Name: from.name(), Contents: from.contents(), NoLinks: true}
	if os.Geteuid() != 0 || !c.Archive {
		target.Owner = &tree.Owner{UID: os.Getuid(), GID: os.Getgid()}
		if c.Archive {
			a.warnf("owners are not kept: only root can give files to others")
		}
	}
	var count counter
	err = a.beside(append(args, "--", id, from.path), func(b *app, theirs *os.File) { b.stdout = theirs }, func(r *os.File) error {
		count.Reader = r
		return root.Unpack(&count, target)
	})
	return count.n, err
}

// counter counts what goes through it.
type counter struct {
	io.Reader
	io.Writer
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// beside runs an rl command line in the user namespace, and do at the same time
// with the other end of a pipe. If both fail, one does because of the other:
// whoever of them could not finish its own files knows why.
func (a *app) beside(args []string, give func(b *app, end *os.File), do func(end *os.File) error) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	errReader, errWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	b := *a
	b.stderr = errWriter
	ours, theirs := reader, writer
	if args[0] == "unpack" {
		ours, theirs = writer, reader
	}
	give(&b, theirs)
	said, done := make(chan []byte, 1), make(chan error, 1)
	go func() {
		text, _ := io.ReadAll(errReader)
		said <- text
	}()
	go func() {
		err := do(ours)
		done <- errors.Join(err, ours.Close())
	}()
	// From here on the child alone has its ends.
	inside := b.runInsideThen(inside, args, func() { errWriter.Close(); theirs.Close() })
	own := <-done
	text := bytes.TrimPrefix(<-said, []byte("rl: "))
	if inside != nil && (own == nil || errors.Is(own, io.ErrUnexpectedEOF) || errors.Is(own, unix.EPIPE)) {
		if len(text) > 0 {
			return errors.New(strings.TrimSpace(string(text)))
		}
		return inside
	}
	return own
}

// widen lets a pipe hold more, so that the processes at its ends wait for each
// other less often. What is no pipe is left alone.
func widen(f *os.File) { unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, 1<<20) }

// packCmd writes files of a container as a tar.
type packCmd struct {
	Follow bool   `help:"Copy what a symbolic link leads to."`
	Own    bool   `help:"Leave out what is mounted."`
	Name   string `default:"." help:"What the file is called in the archive."`
	ID     string `arg:""`
	Path   string `arg:""`
}

func (c *packCmd) Run(a *app) error {
	return a.files(c.ID, true, func(f *runner.Files) error {
		path := c.Path
		var err error
		if c.Follow || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") {
			if path, err = f.Resolve(path); err != nil {
				return err
			}
		}
		if _, err := f.Lstat(path); err != nil {
			return fmt.Errorf("%s in the container: %w", c.Path, errors.Unwrap(err))
		}
		widen(a.stdout)
		return f.Pack(a.stdout, path, c.Name, c.Own, f.System...)
	})
}

// unpackCmd puts a tar among the files of a container.
type unpackCmd struct {
	Owners   bool   `help:"Keep the owners of the archive."`
	Contents bool   `help:"Put a folder's contents into one that exists."`
	Name     string `help:"What the file is called in a folder that exists."`
	ID       string `arg:""`
	Path     string `arg:""`
}

func (c *unpackCmd) Run(a *app) error {
	return a.files(c.ID, false, func(f *runner.Files) error {
		if f.ReadOnly {
			return errors.New("the container's files are read-only (--read-only)")
		}
		if e, err := f.Stat(c.Path); c.Name == "" && (err != nil || !e.IsDir()) {
			return fmt.Errorf("%s is not a folder of the container: an archive goes into one that exists", c.Path)
		}
		t := tree.Target{Path: c.Path, Name: c.Name, Contents: c.Contents}
		if !c.Owners {
			t.Owner = &f.RootOwner
		}
		widen(a.stdin)
		return f.Unpack(a.stdin, t)
	})
}

// files calls do with the files of a container.
func (a *app) files(id string, reading bool, do func(*runner.Files) error) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	f, err := s.OpenFiles(id, reading)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}
