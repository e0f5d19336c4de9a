package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/storage"
)

// Row is a line of `ps`: what its templates can name.
type Row struct {
	Command      string
	CreatedAt    string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Names        string
	Networks     string
	Platform     string
	Ports        string
	RunningFor   string
	Size         string
	State        string
	Status       string

	labels map[string]string
	header bool
}

// Header is the row of a table's titles.
var Header = Row{
	Command: "COMMAND", CreatedAt: "CREATED AT", ID: "CONTAINER ID", Image: "IMAGE", Labels: "LABELS",
	LocalVolumes: "LOCAL VOLUMES", Mounts: "MOUNTS", Names: "NAMES", Networks: "NETWORKS", Platform: "PLATFORM",
	Ports: "PORTS", RunningFor: "CREATED", Size: "SIZE", State: "STATE", Status: "STATUS",
	header: true,
}

// Label returns the value of one label, and in a header the last part of its
// name as a title.
func (r Row) Label(name string) string {
	if r.header {
		words := strings.NewReplacer("-", " ", "_", " ").Replace(name[strings.LastIndexByte(name, '.')+1:])
		return strings.ToUpper(words)
	}
	return r.labels[name]
}

// RowOptions say how rows are written.
type RowOptions struct {
	Now   time.Time
	Whole bool // nothing is shortened
	// Names tells which images have lost the name that a container was made by:
	// it shows the image's id then. nil keeps every name.
	Names *storage.Names
	// Size returns the bytes that a container has written; nil leaves sizes out.
	Size func(runner.View) (int64, error)
}

// NewRow writes a container as a row. With a view from Glance the row has no
// Mounts and LocalVolumes.
func NewRow(v runner.View, o RowOptions) (Row, error) {
	r := Row{
		Command:    command(v),
		CreatedAt:  v.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		ID:         v.ID,
		Image:      v.Image,
		Labels:     labels(v.Config.Labels),
		Names:      v.Name,
		Networks:   strings.Join(networks(v), ","),
		Platform:   "linux/" + v.RootFS.Platform.Architecture,
		Ports:      ports(v),
		RunningFor: ago(v.Created, o.Now),
		Size:       units.HumanSizeWithPrecision(0, 3),
		State:      string(v.Status),
		Status:     Status(v, o.Now),
		labels:     v.Config.Labels,
	}
	r.Mounts, r.LocalVolumes = mountColumns(v, o.Whole)
	if v.RootFS.ID != "" && o.Names != nil && o.Names.Lost(v.RootFS.Store, v.RootFS.ID, v.Image) {
		r.Image = "sha256:" + v.RootFS.ID
	}
	if !o.Whole {
		r.ID, r.Image, r.Command = shortID(v.ID), shortImage(r.Image), ellipsis(r.Command, 20)
	}
	r.Command = strconv.Quote(r.Command)
	if o.Size == nil {
		return r, nil
	}
	written, err := o.Size(v)
	r.Size = fmt.Sprintf("%s (virtual %s)", units.HumanSizeWithPrecision(float64(written), 3),
		units.HumanSizeWithPrecision(float64(v.RootFS.Size+written), 3))
	return r, err
}

// command is the container's command line, each argument with a blank in quotes.
func command(v runner.View) string {
	var words []string
	for _, arg := range slices.Concat(v.Config.Entrypoint, v.Config.Cmd) {
		if strings.Contains(arg, " ") && words != nil {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// shortImage shortens an image that was named by id, and leaves out a digest
// that stands beside a name.
func shortImage(image string) string {
	if id := strings.TrimPrefix(image, "sha256:"); len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "" {
		return shortID(id)
	}
	name, _, _ := strings.Cut(image, "@")
	return name
}

func labels(m map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		words = append(words, key+"="+m[key])
	}
	return strings.Join(words, ",")
}

// mountColumns are the Mounts and LocalVolumes of a row.
func mountColumns(v runner.View, whole bool) (names, volumes string) {
	var list []string
	count := 0
	for _, m := range Mounts(v) {
		name := m.Name
		if name == "" {
			name = m.Source
		}
		if m.Driver != "" {
			count++
		}
		if !whole {
			name = ellipsis(name, 15)
		}
		list = append(list, name)
	}
	return strings.Join(list, ","), strconv.Itoa(count)
}
