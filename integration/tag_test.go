package integration

import (
	"strings"
	"testing"
)

// tags are the names of an image as `image inspect` has them.
func (e *Env) tags(t *testing.T, image string) string {
	t.Helper()
	return e.OK(t, "image", "inspect", "-f", `{{join .RepoTags " "}}`, image)
}

// A name is complete without a tag or with one, and the image may be called by
// any name and any unique prefix of its id.
func TestTag(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		id := importSmall(t, e, "made:1")
		for _, tt := range []struct{ image, name string }{
			{"made:1", "plain"}, {id, "by-id:2"}, {id[:6], "localhost:5000/team/app"}, {"sha256:" + id, "quay.io/x/y:z"}, {"docker.io/library/plain", "docker.io/me/app:3"},
		} {
			e.Want(t, "", "tag", tt.image, tt.name)
		}
		got := " " + e.tags(t, id) + " "
		for _, want := range []string{"made:1", "plain:latest", "by-id:2", "localhost:5000/team/app:latest", "quay.io/x/y:z", "me/app:3"} {
			if !strings.Contains(got, " "+want+" ") {
				t.Errorf("no %s among%s", want, got)
			}
		}
		e.Want(t, "", "image", "tag", "made:1", "made:1") // as it is
		told := e.OK(t, "events", "--since", "1h", "--until", "now", "--filter", "event=tag", "--format", "{{.Actor.Attributes.name}}")
		if !strings.Contains(told, "plain") {
			t.Errorf("events: %q", told)
		}
	})
}

// A name that another image had goes over, and that one stays without it.
func TestTagTakesTheNameOver(t *testing.T) {
	e := Fresh(t, Ordinary)
	first, second := importSmall(t, e, "name"), importSmall(t, e, "other", "-m", "another")
	e.OK(t, "tag", "other", "name")
	e.Want(t, "sha256:"+second, "image", "inspect", "-f", "{{.Id}}", "name")
	e.Want(t, first[:12], "images", "-q", "--filter", "dangling=true")
	e.Want(t, "", "tag", first, "back")
	e.Want(t, "", "images", "-q", "--filter", "dangling=true")
}

func TestTagRefuses(t *testing.T) {
	e := Fresh(t, Ordinary)
	id := importSmall(t, e, "made:1")
	for _, tt := range []struct {
		line  string
		code  int
		words []string
	}{
		{"tag", 125, []string{"IMAGE NAME"}},
		{"tag made:1", 125, []string{"IMAGE NAME"}},
		{"tag made:1 a b", 125, []string{"unexpected argument b"}},
		{"tag made:2 a", 1, []string{"no such image: made:2"}},
		{"tag made:1 Upper", 125, []string{"Upper", "lowercase"}},
		{"tag made:1 a:" + strings.Repeat("x", 129), 125, []string{"tag"}},
		{"tag made:1 a@sha256:" + id, 125, []string{"digest"}},
		{"tag made:1 " + id, 125, []string{id[:12]}},
		{"tag --force made:1 a", 125, []string{"--force"}},
	} {
		e.Run(t, strings.Fields(tt.line)...).Exits(t, tt.code).Says(t, tt.words...)
	}
	if got := e.tags(t, id); got != "made:1" {
		t.Errorf("the names are %q now", got)
	}
}
