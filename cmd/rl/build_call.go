//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/storage/store"
)

// readCall reads --call KIND[,format=json].
func (c *buildCmd) readCall() (kind string, asJSON bool, err error) {
	kind, options, more := strings.Cut(c.Call, ",")
	if c.Check {
		kind = "check"
	}
	if kinds := []string{"build", "check", "outline", "targets"}; !slices.Contains(kinds, kind) {
		return "", false, fmt.Errorf("--call %q: there are %s", c.Call, strings.Join(kinds, ", "))
	}
	if more && options != "format=json" && options != "format=text" {
		return "", false, fmt.Errorf("--call %q: after the comma there is format=json or format=text", c.Call)
	}
	return kind, options == "format=json", nil
}

// ask answers --call: about the Dockerfile, without building anything.
func (c *buildCmd) ask(ctx context.Context, a *app, places dirs.Dirs, images *store.Store, o build.Options) error {
	kind, asJSON, err := c.readCall()
	if err != nil {
		return err
	}
	switch {
	case kind == "check":
		return a.printChecks(ctx, places, images, o, asJSON)
	case kind == "targets":
		err = a.printTargets(o, asJSON)
	default:
		err = a.printOutline(o, asJSON)
	}
	if err != nil {
		return a.explainBuild(err, true)
	}
	return nil
}

// printChecks prints what is against the rules, and fails if anything is.
func (a *app) printChecks(ctx context.Context, places dirs.Dirs, images *store.Store, o build.Options, asJSON bool) error {
	o.AskRegistries = true
	found, _, err := build.Check(ctx, places, images, o)
	if asJSON {
		return a.printChecksJSON(o, found, err)
	}
	if err != nil {
		return a.explainBuild(err, true)
	}
	if len(found) == 0 {
		a.printf("Check complete, no warnings found.\n")
		return nil
	}
	a.printf("Check complete, %s found!\n", count(len(found), "warning"))
	const line = "--------------------"
	for _, w := range found {
		more := ""
		if w.URL != "" {
			more = " - " + w.URL
		}
		a.printf("\nWARNING: %s%s\n%s\n%s:%d\n%s\n%s%s\n", w.Rule, more, w.Text, o.FileName, w.Line(), line, w.Source, line)
	}
	return &exitError{code: 1}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what + " has been"
	}
	return fmt.Sprintf("%d %ss have been", n, what)
}

func (a *app) printTargets(o build.Options, asJSON bool) error {
	targets, err := build.Targets(o)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(targetsAnswer{targets, [][]byte{o.File}})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TARGET\tDESCRIPTION")
	for _, t := range targets {
		name := t.Name
		switch {
		case t.Default && name == "":
			name = "(default)"
		case t.Default:
			name += " (default)"
		case name == "":
			continue
		}
		fmt.Fprintf(w, "%s\t%s\n", name, t.Description)
	}
	return w.Flush()
}

func (a *app) printOutline(o build.Options, asJSON bool) error {
	t, err := build.OutlineOf(o)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(outlineAnswer{t, [][]byte{o.File}})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 3, ' ', 0)
	if t.Name == "" {
		t.Name = "(default)"
	}
	fmt.Fprintf(w, "TARGET:\t%s\n", t.Name)
	if t.Description != "" {
		fmt.Fprintf(w, "DESCRIPTION:\t%s\n", t.Description)
	}
	if len(t.Args) > 0 {
		fmt.Fprintln(w, "\nBUILD ARG\tVALUE\tDESCRIPTION")
	}
	for _, arg := range t.Args {
		fmt.Fprintf(w, "%s\t%s\t%s\n", arg.Name, arg.Value, arg.Description)
	}
	printMounts(w, "SECRET", t.Secrets)
	printMounts(w, "SSH", t.SSH)
	return w.Flush()
}

func printMounts(w io.Writer, title string, mounts []build.TargetMount) {
	if len(mounts) > 0 {
		fmt.Fprintf(w, "\n%s\tREQUIRED\n", title)
	}
	for _, m := range mounts {
		required := ""
		if m.Required {
			required = "true"
		}
		fmt.Fprintf(w, "%s\t%s\n", m.ID, required)
	}
}

// warn checks the Dockerfile before it is built, and has say print, after that, what is
// against the rules. A "# check=error=true" in the file makes that the end of the build.
func (c *buildCmd) warn(ctx context.Context, a *app, places dirs.Dirs, images *store.Store, o build.Options) (say func(), err error) {
	found, strict, err := build.Check(ctx, places, images, o)
	if err != nil || len(found) == 0 {
		return func() {}, nil // the build itself says what is wrong
	}
	if strict {
		var rules []string
		for _, w := range found {
			rules = append(rules, fmt.Sprintf("%s (line %d)", w.Rule, w.Line()))
		}
		return nil, fmt.Errorf("%s: the file's own check=error=true forbids warnings, and there are %s; 'rl build --check' explains them",
			o.FileName, strings.Join(rules, ", "))
	}
	return func() { c.sayWarnings(a, found) }, nil
}

func (c *buildCmd) sayWarnings(a *app, found []build.Warning) {
	if c.Quiet || c.Progress == "quiet" || c.Progress == "rawjson" {
		return
	}
	title := "1 warning"
	if len(found) > 1 {
		title = fmt.Sprintf("%d warnings", len(found))
	}
	fmt.Fprintf(a.stderr, "\n %s found ('rl build --check' explains them):\n", title)
	for _, w := range found {
		fmt.Fprintf(a.stderr, " - %s: %s (line %d)\n", w.Rule, w.Text, w.Line())
	}
}
