package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage"
)

// none stands where an image has no name, tag or digest.
const none = "<none>"

// imageRow is a line of `images`, in the words of Docker's templates.
type imageRow struct {
	Containers   string
	CreatedAt    string
	CreatedSince string
	Digest       string
	ID           string
	Repository   string
	SharedSize   string
	Size         string
	Tag          string
	UniqueSize   string
	VirtualSize  string
}

var imageHeader = imageRow{
	Containers: "CONTAINERS", CreatedAt: "CREATED AT", CreatedSince: "CREATED", Digest: "DIGEST", ID: "IMAGE ID",
	Repository: "REPOSITORY", SharedSize: "SHARED SIZE", Size: "SIZE", Tag: "TAG", UniqueSize: "UNIQUE SIZE", VirtualSize: "SIZE",
}

// Run shows the list that was written down when the store was last changed,
// where that holds and is enough; the full program knows more.
func (c *imagesCmd) Run(a *app) error {
	if a.inside() {
		return c.runFull(a)
	}
	if _, err := a.dirs(); err != nil {
		return err
	}
	if len(c.Filter) == 0 && c.Name == "" && !imagesNeedWhole(c.Format) {
		if list, err := storage.ReadList(a.places.Data); err == nil {
			return c.print(a, list, func(string) bool { return true })
		}
	}
	return a.runInside(inFull, a.args)
}

// imagesNeedWhole reports whether a template may show how many containers an
// image has, which changes when the images do not.
func imagesNeedWhole(format string) bool {
	return format == "json" || strings.Contains(format, ".Containers") || showsWholeRow(format)
}

func (c *imagesCmd) print(a *app, list []storage.Summary, matches func(name string) bool) error {
	var rows []imageRow
	for _, img := range list {
		rows = append(rows, imageRows(img, matches, c.NoTrunc)...)
	}
	if c.Quiet && c.Format == "" {
		return a.printIDs(rows)
	}
	columns := `{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`
	if c.Digests {
		columns = `{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`
	}
	return format.List(a.stdout, c.Format, columns, imageHeader, rows)
}

// printIDs prints each image once.
func (a *app) printIDs(rows []imageRow) error {
	seen := make(map[string]bool)
	for _, r := range rows {
		if !seen[r.ID] {
			seen[r.ID] = true
			a.printf("%s\n", r.ID)
		}
	}
	return nil
}

// imageRows returns a row for each tag of an image; an image without a tag has
// one row.
func imageRows(img storage.Summary, matches func(name string) bool, whole bool) []imageRow {
	row := imageRow{
		Containers: strconv.Itoa(img.Containers),
		CreatedAt:  img.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		Digest:     orNone(img.Digest), ID: img.ID[:12],
		Repository: none, Tag: none,
		Size:       units.HumanSizeWithPrecision(float64(img.Size), 3),
		SharedSize: "N/A", UniqueSize: "N/A",
	}
	row.VirtualSize = row.Size
	row.CreatedSince = "N/A"
	if !img.Created.IsZero() {
		row.CreatedSince = units.HumanDuration(time.Since(img.Created)) + " ago"
	}
	if whole {
		row.ID = "sha256:" + img.ID
	}
	var rows []imageRow
	for _, name := range img.Names {
		r, err := storage.ParseReference(name)
		if err != nil || !matches(name) {
			continue
		}
		row.Repository = r.FamiliarName()
		if r.Tag != "" {
			row.Tag = r.Tag
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		row.Tag = none
		rows = []imageRow{row}
	}
	return rows
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}
