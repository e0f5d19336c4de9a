package slirp

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReleaseDate(t *testing.T) {
	tests := []struct{ version, want string }{
		{"pasta 2025_02_17.a1e48a0\nCopyright Red Hat", "20250217"},
		{"pasta 0.0~git20240220.1e6f92b-1\n", "20240220"},
		{"pasta 0^20240326.g4988e2b-1.fc40.x86_64-pasta", "20240326"},
		{"pasta unknown version\nCopyright 20250101", ""},
		{"", ""},
		{"20", ""},
	}
	for _, test := range tests {
		if got := releaseDate(test.version); got != test.want {
			t.Errorf("%q: got %q, want %q", test.version, got, test.want)
		}
	}
}

func TestCheckUplink(t *testing.T) {
	tests := []struct {
		version string
		ok      bool
	}{
		{"pasta 2025_02_17.a1e48a0", true},
		{"pasta 0.0~git20230309.7c7625d-1", false},
		{"pasta unknown version", false},
		{"", true},
	}
	for _, test := range tests {
		program := filepath.Join(t.TempDir(), "pasta")
		if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf %s '"+test.version+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		err := CheckUplink(Pasta, program)
		if (err == nil) != test.ok || (err != nil && !errors.Is(err, ErrTooOld)) {
			t.Errorf("%s: %v", test.version, err)
		}
	}
}

func FuzzReleaseDate(f *testing.F) {
	f.Add("pasta 2025_02_17.a1e48a0")
	f.Fuzz(func(t *testing.T, version string) {
		if date := releaseDate(version); date != "" && (len(date) != 8 || !onlyDigits(date)) {
			t.Errorf("%q is no date", date)
		}
	})
}
