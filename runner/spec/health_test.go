package spec

import (
	"slices"
	"testing"
	"time"

	"github.com/rl-project/rl/storage"
)

func TestParseHealthLaysFlagsOverTheImage(t *testing.T) {
	img := &storage.Healthcheck{Test: []string{"CMD", "check"}, Interval: time.Minute, Retries: 7}
	check, err := parseHealth(HealthOptions{Interval: "2s"}, img)
	if err != nil || check.Interval != 2*time.Second || check.Retries != 7 || check.Test[1] != "check" {
		t.Errorf("%+v, %v", check, err)
	}
	check, err = parseHealth(HealthOptions{Cmd: "true"}, img)
	if err != nil || !slices.Equal(check.Test, []string{"CMD-SHELL", "true"}) {
		t.Errorf("%+v, %v", check, err)
	}
	check, err = parseHealth(HealthOptions{None: true}, img)
	if err != nil || !slices.Equal(check.Test, []string{"NONE"}) {
		t.Errorf("%+v, %v", check, err)
	}
}

func TestParseHealthRefuses(t *testing.T) {
	for _, o := range []HealthOptions{
		{None: true, Cmd: "true"}, {Interval: "1"}, {Timeout: "-1s"}, {StartPeriod: "1us"}, {Retries: -1}, {OnFailure: "reboot"},
	} {
		if _, err := parseHealth(o, nil); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestProbeArgs(t *testing.T) {
	for _, c := range []struct{ test, shell, want []string }{
		{nil, nil, nil},
		{[]string{"NONE"}, nil, nil},
		{[]string{"CMD", "a", "b"}, nil, []string{"a", "b"}},
		{[]string{"CMD-SHELL", "a b"}, nil, []string{"/bin/sh", "-c", "a b"}},
		{[]string{"CMD-SHELL", "a b"}, []string{"bash", "-c"}, []string{"bash", "-c", "a b"}},
	} {
		if got := probeArgs(c.test, c.shell); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v", c.test, got)
		}
	}
}
