package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestOverlay(t *testing.T) {
	img := &Image{
		Layers: []string{"/g/overlay/1/diff", "/add:on/2/diff"}, Links: []string{"l/AAA", "/add:on/l/BBB"},
		Store: Store{Driver: "overlay", Home: "/g/overlay"},
	}
	got, err := img.Overlay("/c,d/upper", "/c,d/work", true)
	want := Overlay{Folder: "/g/overlay", Options: `lowerdir=l/AAA:/add\:on/l/BBB,upperdir=/c\,d/upper,workdir=/c\,d/work,volatile,userxattr`}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = img.Lower("/c,d/upper")
	want = Overlay{Folder: "/g/overlay", Options: `lowerdir=/c\,d/upper:l/AAA:/add\:on/l/BBB,userxattr`}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	img.Store.Program = "/usr/bin/fuse-overlayfs"
	got, err = img.Overlay("/c/upper", "/c/work", false)
	want = Overlay{Program: "/usr/bin/fuse-overlayfs", Options: `lowerdir=/g/overlay/1/diff:/add\\:on/2/diff,upperdir=/c/upper,workdir=/c/work`}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestOverlayOfManyLayers has as many layers as Docker lets an image have, and
// then more than fit.
func TestOverlayOfManyLayers(t *testing.T) {
	img := new(Image)
	for i := range 127 {
		img.Links = append(img.Links, fmt.Sprintf("l/%026d", i))
	}
	folder := "/home/somebody/.local/share/rl/containers/" + someID
	if _, err := img.Overlay(folder+"/upper", folder+"/work", true); err != nil {
		t.Error(err)
	}
	img.Links = append(img.Links, strings.Repeat("x", 300))
	if _, err := img.Overlay(folder+"/upper", folder+"/work", true); !errors.Is(err, ErrTooManyLayers) {
		t.Errorf("got %v", err)
	}
}
