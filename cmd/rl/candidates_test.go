package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/rl-project/rl/runner"
)

func flagsOf(t *testing.T, c command) []*kong.Flag {
	t.Helper()
	parser, err := newParser(c, c.new())
	if err != nil {
		t.Fatal(err)
	}
	if c.group == "" {
		return nil
	}
	return parser.Model.Flags
}

// stock is a machine with two containers and one image.
type stock struct{}

func (stock) containerNames(statuses ...runner.Status) []candidate {
	var list []candidate
	if statuses == nil || slices.Contains(statuses, runner.Running) {
		list = append(list, candidate{text: "up"})
	}
	if statuses == nil || slices.Contains(statuses, runner.Exited) {
		list = append(list, candidate{text: "down"})
	}
	return list
}

func (stock) volumeNames() []candidate { return []candidate{{text: "data"}} }
func (stock) networkNames() []candidate {
	return []candidate{{text: "bridge"}, {text: "host"}, {text: "none"}, {text: "front"}}
}
func (stock) imageNames() []candidate { return []candidate{{text: "alpine"}} }

func TestCandidates(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"ru", "run"},
		{"container sto", "stop"},
		{"help ima", "image images"},
		{"help image pu", "pull push"},
		{"exec ", "up"},
		{"exec -it ", "up"},
		{"exec -u root ", "up"},
		{"exec up ", "/"},
		{"exec up ls --l", "/"},
		{"stop up ", "up"},
		{"start ", "down"},
		{"container start ", "down"},
		{"rm ", "up down"},
		{"rm -f up ", "up down"},
		{"inspect ", "up down alpine"},
		{"run ", "alpine"},
		{"run --name alpine ", "alpine"},
		{"run --name=x -it --rm ", "alpine"},
		{"run alpine ", "/"},
		{"run -e ", ""},
		{"run -v ", "/"},
		{"run --env-file ", "/"},
		{"run --device ", "/"},
		{"run --rootfs ", "/"},
		{"run --dns ", ""},
		{"build --output ", "/"},
		{"run --network ", "bridge host none front pasta slirp4netns gvisor"},
		{"build --call=outline", "--call=outline --call=outline,format=json"},
		{"build --progress ", "auto plain quiet rawjson tty"},
		{"network rm ", "bridge host none front"},
		{"network connect front ", "up down"},
		{"run --pull ", "always missing never"},
		{"run --pull=", "--pull=always --pull=missing --pull=never"},
		{"run --pull=n", "--pull=never"},
		{"run --cap-", "--cap-add --cap-drop"},
		{"rmi alpine ", "alpine"},
		{"version ", ""},
		{"completion ", "bash fish zsh"},
		{"completion bash ", ""},
		{"nonsense ", ""},
		{"monito", ""},
	} {
		words := strings.Split(tt.line, " ")
		last := len(words) - 1
		var got []string
		for _, x := range candidates(words[:last], words[last], stock{}) {
			if strings.HasPrefix(x.text, words[last]) || x == anyFile {
				got = append(got, x.text)
			}
		}
		want := strings.Fields(tt.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("rl %s: got %q, want %q", tt.line, got, want)
		}
	}
}

func TestCandidatesNameEveryCommand(t *testing.T) {
	for _, c := range visible() {
		words := strings.Fields(c.name)
		last := len(words) - 1
		named := func(x candidate) bool { return x.text == words[last] }
		if !slices.ContainsFunc(candidates(words[:last], "", stock{}), named) {
			t.Errorf("%s is not completed", c.name)
		}
	}
}
