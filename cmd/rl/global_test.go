package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestGlobalFlags(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", "/before")
	for _, tt := range []struct{ line, left, bad string }{
		{line: "ps -a", left: "ps -a"},
		{line: "--context default ps", left: "ps"},
		{line: "--context=default -l info ps -l", left: "ps -l"},
		{line: "--config=/tmp/c ps", left: "ps"},
		{line: "--version", left: "--version"},
		{line: "--no-such ps", left: "--no-such ps"},
		{line: "-c other ps", bad: "no contexts"},
		{line: "-H tcp://host:2375 ps", bad: "names a daemon"},
		{line: "--tlsverify ps", bad: "names a daemon"},
		{line: "-D ps", bad: "leave it out"},
		{line: "--log-level debug ps", bad: "say info"},
		{line: "--log-level loud ps", bad: "choose debug"},
		{line: "--config", bad: "needs a value"},
		{line: "--config= ps", bad: "not a folder"},
	} {
		left, err := globalFlags(strings.Fields(tt.line))
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("%s: %v", tt.line, err)
			}
			continue
		}
		if err != nil || !slices.Equal(left, strings.Fields(tt.left)) {
			t.Errorf("%s: %q, %v", tt.line, left, err)
		}
	}
	if got := os.Getenv("DOCKER_CONFIG"); got != "/tmp/c" {
		t.Errorf("--config gives DOCKER_CONFIG=%s", got)
	}
}
