package logs

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		driver string
		opts   string
		want   Options
	}{
		{"", "", Options{Driver: JSONFile, MaxSize: 10_000_000, MaxFile: 3}},
		{"json-file", "max-size=10m", Options{Driver: JSONFile, MaxSize: 10_000_000, MaxFile: 3}},
		{"json-file", "max-size=1.5kB max-file=1", Options{Driver: JSONFile, MaxSize: 1500, MaxFile: 1}},
		{"json-file", "max-size=200", Options{Driver: JSONFile, MaxSize: 200, MaxFile: 3}},
		{"json-file", "max-size=2G max-file=10", Options{Driver: JSONFile, MaxSize: 2_000_000_000, MaxFile: 10}},
		{"json-file", "max-size=-1", Options{Driver: JSONFile, MaxSize: -1, MaxFile: 3}},
		{"json-file", "compress=true", Options{Driver: JSONFile, MaxSize: 10_000_000, MaxFile: 3, Compress: true}},
		{"json-file", "compress=false max-file=1", Options{Driver: JSONFile, MaxSize: 10_000_000, MaxFile: 1}},
		{"local", "", Options{Driver: Local, MaxSize: 20_000_000, MaxFile: 5, Compress: true}},
		{"local", "compress=false max-file=1", Options{Driver: Local, MaxSize: 20_000_000, MaxFile: 1}},
		{"none", "", Options{Driver: None, MaxSize: 10_000_000, MaxFile: 3}},
	} {
		got, err := ParseOptions(c.driver, strings.Fields(c.opts))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("ParseOptions(%q, %q) = %+v, %v, want %+v", c.driver, c.opts, got, err, c.want)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, c := range []struct{ driver, opts, says string }{
		{"syslog", "", "json-file, local, journald and none"},
		{"json-file", "max-sise=10m", "max-size, max-file, compress, mode"},
		{"json-file", "max-size", "KEY=VALUE"},
		{"json-file", "max-size=", "k, m or g"},
		{"json-file", "max-size=m", "k, m or g"},
		{"json-file", "max-size=0", "k, m or g"},
		{"json-file", "max-size=-5", "k, m or g"},
		{"json-file", "max-size=10q", "k, m or g"},
		{"json-file", "max-size=10bk", "k, m or g"},
		{"json-file", "max-size=1e30", "k, m or g"},
		{"json-file", "max-size=nan", "k, m or g"},
		{"json-file", "max-size=0x10", "k, m or g"},
		{"json-file", "max-file=0", "1 or more"},
		{"json-file", "max-file=many", "1 or more"},
		{"json-file", "compress=maybe", "true or false"},
		{"json-file", "compress=true max-file=1", "max-file=2 or more"},
		{"json-file", "max-size=-1 compress=true", "and a max-size"},
		{"local", "max-file=1", "compress=false"},
		{"journald", "compress=true", "journald's affair"},
		{"none", "max-size=10m", "no options"},
	} {
		_, err := ParseOptions(c.driver, strings.Fields(c.opts))
		if !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParseOptions(%q, %q): %v, want something with %q", c.driver, c.opts, err, c.says)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"10m", "-1", "1.5gb", "1e3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize("max-size", s); err == nil && n != -1 && n < 1 {
			t.Errorf("%q is %d", s, n)
		}
	})
}
