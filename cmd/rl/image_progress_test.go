//go:build !split

package main

import (
	"strings"
	"testing"

	"github.com/rl-project/rl/storage/store"
)

func layerAt(digest string, state store.LayerState, current, total int64) store.LayerProgress {
	return store.LayerProgress{Digest: "sha256:" + strings.Repeat(digest, 64), State: state, Current: current, Total: total}
}

func TestProgressLines(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false)
	p.report(layerAt("a", store.LayerWaiting, 0, 10))
	p.report(layerAt("b", store.LayerExists, 0, 10))
	p.report(layerAt("a", store.LayerCopying, 5, 10))
	p.report(layerAt("a", store.LayerCopying, 6, 10))
	p.report(layerAt("a", store.LayerCopied, 10, 10))
	want := "aaaaaaaaaaaa: Pulling fs layer\nbbbbbbbbbbbb: Already exists\naaaaaaaaaaaa: Pull complete\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestProgressBars(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false)
	p.width, p.lines = 60, 3
	p.report(layerAt("a", store.LayerCopying, 5, 10))
	p.report(layerAt("b", store.LayerCopying, 5, -1))
	want := "\r\x1b[2Kaaaaaaaaaaaa: Downloading [===============>              ] \n" +
		"\x1b[1A\r\x1b[2Kaaaaaaaaaaaa: Downloading [===============>              ] \n\r\x1b[2Kbbbbbbbbbbbb: Downloading 5B\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
	// More layers than the terminal has rows are told in lines.
	out.Reset()
	p.report(layerAt("c", store.LayerExists, 0, 10))
	if out.String() != "cccccccccccc: Already exists\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestProgressQuiet(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, true)
	p.report(layerAt("a", store.LayerCopied, 10, 10))
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		current, total int64
		want           string
	}{
		{0, 100, "[>                             ] 0B/100B"},
		{100, 100, "[==============================] 100B/100B"},
		{200, 100, "[==============================] 200B/100B"},
		{3000, -1, "3kB"},
	} {
		if got := bar(c.current, c.total); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.current, c.total, got, c.want)
		}
	}
}

func TestImageRows(t *testing.T) {
	img := store.Summary{ID: strings.Repeat("1", 64), Names: []string{
		"docker.io/library/a:1", "localhost:5000/b:2", "docker.io/library/a@sha256:" + strings.Repeat("2", 64),
	}}
	for name, c := range map[string]struct {
		filter store.Filter
		whole  bool
		want   string
	}{
		"all":       {store.Filter{}, false, "a:1 111111111111|localhost:5000/b:2 111111111111"},
		"one":       {store.Filter{References: []string{"a"}}, false, "a:1 111111111111"},
		"whole ids": {store.Filter{References: []string{"*/b:2"}}, true, "localhost:5000/b:2 sha256:" + img.ID},
	} {
		var got []string
		for _, r := range imageRows(img, c.filter.Matches, c.whole) {
			got = append(got, r.Repository+":"+r.Tag+" "+r.ID)
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	img.Names = nil
	if rows := imageRows(img, store.Filter{}.Matches, false); len(rows) != 1 || rows[0].Repository != none || rows[0].Tag != none {
		t.Errorf("dangling: %+v", rows)
	}
}
