//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
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

func (c *imagesCmd) Run(a *app) error {
	filter, err := imageFilter(c.Filter)
	if err != nil {
		return err
	}
	if c.Name != "" {
		filter.References = append(filter.References, c.Name)
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	list, err := s.List(filter)
	if err != nil {
		return err
	}
	var rows []imageRow
	for _, img := range list {
		rows = append(rows, imageRows(img, filter, c.NoTrunc)...)
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

// imageFilter reads the filters of `images`.
func imageFilter(filters []string) (store.Filter, error) {
	var f store.Filter
	for _, one := range filters {
		key, value, ok := strings.Cut(one, "=")
		if !ok {
			return f, fmt.Errorf("filter %q is not like KEY=VALUE", one)
		}
		switch key {
		case "dangling":
			dangling, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("filter %q: true or false is meant", one)
			}
			f.Dangling = &dangling
		case "label":
			f.Labels = append(f.Labels, value)
		case "reference":
			f.References = append(f.References, value)
		case "before":
			f.Before = value
		case "since":
			f.Since = value
		default:
			return f, fmt.Errorf("filter %q: images can be filtered by dangling, label, reference, before and since", one)
		}
	}
	return f, nil
}

// imageRows returns a row for each tag of an image; an image without a tag has
// one row.
func imageRows(img store.Summary, f store.Filter, whole bool) []imageRow {
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
		if err != nil || !f.Matches(name) {
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

func (c *imageInspectCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	var found []store.Inspection
	failed := a.eachImage(c.Images, func(name string) error {
		i, err := s.Inspect(name)
		if err == nil {
			found = append(found, i)
		}
		return err
	})
	if err := format.Values(a.stdout, c.Format, found); err != nil {
		return err
	}
	return failed
}

// inspectImage is for `inspect`, which takes containers and images.
func (a *app) inspectImage(name string) (any, error) {
	s, err := a.images()
	if err != nil {
		return nil, err
	}
	i, err := s.Inspect(name)
	if errors.Is(err, store.ErrNoSuchImage) {
		return nil, fmt.Errorf("%w: %s", errNoImage, name)
	}
	return i, err
}

func (c *rmiCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	return a.eachImage(c.Images, func(name string) error {
		removed, err := s.Remove(name, c.Force)
		for _, n := range removed.Untagged {
			a.printf("Untagged: %s\n", familiar(n))
		}
		for _, id := range removed.Deleted {
			a.printf("Deleted: %s\n", id)
		}
		return err
	})
}

func (c *tagCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	return s.Tag(c.Image, c.Name)
}

func familiar(name string) string {
	r, err := storage.ParseReference(name)
	if err != nil {
		return name
	}
	return r.Familiar()
}
