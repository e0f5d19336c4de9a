package spec

import "testing"

// BenchmarkBuild is part of every start.
func BenchmarkBuild(b *testing.B) {
	host, img := testHost(), shellImage()
	opts := Options{ID: "0123456789abcdef", Limits: Limits{Memory: "20m"}, Volumes: []string{"/a:/b"}}
	for b.Loop() {
		if _, err := Build(opts, img, host); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLocalHost(b *testing.B) {
	for b.Loop() {
		if _, err := LocalHost(); err != nil {
			b.Fatal(err)
		}
	}
}
