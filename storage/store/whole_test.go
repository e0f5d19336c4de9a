package store

import (
	"os"
	"path/filepath"
	"testing"

	cstorage "go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// An image whose maker was killed before its data was a part of its record can be
// read, and the next one that makes it completes it.
func TestImageIsReadableFromTheFirstMoment(t *testing.T) {
	s := newStore(t)
	made := importImage(t, s, "made")
	img, err := s.store.Image(made)
	if err != nil {
		t.Fatal(err)
	}
	var o cstorage.ImageOptions
	for _, key := range img.BigDataNames {
		data, err := s.store.ImageBigData(made, key)
		if err != nil {
			t.Fatal(err)
		}
		o.BigData = append(o.BigData, cstorage.ImageBigDataOption{Key: key, Data: data, Digest: img.BigDataDigests[key]})
	}
	if _, err := s.store.DeleteImage(made, true); err != nil {
		t.Fatal(err)
	}
	if err := putData(filepath.Join(s.imagesFolder(), made), o.BigData); err != nil {
		t.Fatal(err)
	}
	killed := s.store.(wholeImages).Store
	if _, err := killed.CreateImage(made, nil, "", "{}", &cstorage.ImageOptions{Digest: img.Digest}); err != nil {
		t.Fatal(err)
	}
	stored, err := s.store.Image(made)
	if err != nil || len(stored.BigDataNames) > 0 {
		t.Fatalf("%v, %v", stored.BigDataNames, err)
	}
	config, err := s.configBlob(stored)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := s.store.ImageBigData(made, cstorage.ImageDigestBigDataKey)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := s.putImage(config, manifest, "", nil); again != made || err != nil {
		t.Errorf("%s, %v, want %s", again, err, made)
	}
	if stored, err := s.store.Image(made); err != nil || len(stored.BigDataNames) != len(o.BigData) {
		t.Errorf("%v, %v", stored, err)
	}
}

// What a killed process left of an image goes, unless rl is making one.
func TestSweepData(t *testing.T) {
	s := newStore(t)
	made := importImage(t, s, "made")
	orphan := filepath.Join(s.imagesFolder(), "0123")
	if err := putData(orphan, []cstorage.ImageBigDataOption{{Key: "manifest", Data: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	lock, err := s.lockStaging(unix.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	s.tidy()
	if _, err := os.Stat(orphan); err != nil {
		t.Errorf("gone while an image is made: %v", err)
	}
	lock.Close()
	s.tidy()
	if _, err := os.Stat(orphan); err == nil {
		t.Error("the data of no image is still there")
	}
	if _, err := os.Stat(filepath.Join(s.imagesFolder(), made)); err != nil {
		t.Error(err)
	}
}
