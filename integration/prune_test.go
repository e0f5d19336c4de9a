package integration

import (
	"strings"
	"sync"
	"testing"
)

func TestPruneBadInput(t *testing.T) {
	e := AsUser(t)
	for _, tt := range []struct {
		args  string
		words []string
	}{
		{"container prune -f --filter colour=red", []string{"colour", "until"}},
		{"container prune -f --filter until=soon", []string{"soon"}},
		{"container prune -f --filter until=1h --filter until=2h", []string{"until"}},
		{"container prune -f --filter label", []string{"label=VALUE"}},
		{"container prune extra", []string{"extra"}},
		{"volume prune -f --filter all=perhaps", []string{"perhaps"}},
		{"volume prune -f --filter name=x", []string{"name"}},
	} {
		r := e.Run(t, strings.Fields(tt.args)...).Exits(t, 125).Says(t, tt.words...)
		if r.Out != "" || lines(r.Err) > 2 {
			t.Error(r)
		}
	}
}

// Two at once remove each thing once, and neither fails.
func TestPrunesAtOnce(t *testing.T) {
	e := AsUser(t)
	label := e.Name(t)
	const many = 12
	for range many {
		e.OK(t, "create", "-l", "test="+label, Image, "true")
		e.OK(t, "volume", "create", "--label", "test="+label)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	removed := map[string]int{}
	for _, kind := range []string{"container", "volume"} {
		for range 3 {
			all.Go(func() {
				r, err := e.Cmd(kind, "prune", "-f", "--filter", "label=test="+label).Do()
				if err != nil || r.Code != 0 {
					t.Errorf("%v: %v", err, r)
				}
				mu.Lock()
				defer mu.Unlock()
				for word := range strings.FieldsSeq(r.Out) {
					if len(word) == 64 {
						removed[word]++
					}
				}
			})
		}
	}
	all.Wait()
	if len(removed) != 2*many {
		t.Errorf("%d things were told to be removed, not %d", len(removed), 2*many)
	}
	if left := e.listed(t, own(label)...); left != "" {
		t.Errorf("left: %s", left)
	}
	if left := e.volumes(t, label); left != "" {
		t.Errorf("left: %s", left)
	}
}
