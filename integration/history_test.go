package integration

import (
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		id := e.OK(t, "image", "inspect", "-f", "{{.Id}}", Image)
		e.Want(t, id, "history", "-q", "--no-trunc", Image)
		e.Want(t, strings.TrimPrefix(id, "sha256:")[:12], "history", "-q", Image)
		if out := e.OK(t, "history", Image); !strings.HasPrefix(out, "IMAGE") || !strings.Contains(out, "CREATED BY") {
			t.Errorf("history prints %q", out)
		}
	})
}
