package main

import (
	"reflect"
	"strings"
	"testing"
)

// A narrow description of the flags reads a line as the whole one does.
func TestQuickParse(t *testing.T) {
	lines := []string{
		"alpine",
		"-it --rm alpine sh -c exit",
		"-itd --name=x --net none alpine",
		"-h host -e A=1 -e B=2 --env C=3 -m20m alpine ls -la",
		"-m=20m --cpu-shares 5 -c7 --cpus 1.5 alpine",
		"--rm=false --read-only -p 80:80 -v /a:/b:ro --mount type=tmpfs,dst=/x alpine --rm",
		"--entrypoint= --pids-limit -1 --oom-score-adj=5 alpine -- x",
		"--pull never -- alpine -it",
		"--blkio-weight 10 --device-read-iops /dev/sda:5 --stop-timeout 3 alpine",
	}
	cmd := commandIndex()["run"]
	for _, line := range lines {
		words := strings.Fields(line)
		whole, quick := cmd.new(), cmd.new()
		parser, err := newParser(cmd, whole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(dockerWords(parser, words)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !quickParse(cmd, quick, words) {
			t.Errorf("%s: refused", line)
		}
		if !reflect.DeepEqual(whole, quick) {
			t.Errorf("%s: got\n%+v, want\n%+v", line, quick, whole)
		}
	}
}

// What is wrong, or asks for help, is left to the whole description.
func TestQuickParseRefuses(t *testing.T) {
	cmd := commandIndex()["run"]
	for _, line := range []string{"--help", "--rm --help", "--no-such-flag alpine", "--memory", "-it --memroy 20m alpine", "--pull sometimes alpine", "--pids-limit few alpine"} {
		flags := cmd.new()
		if quickParse(cmd, flags, strings.Fields(line)) {
			t.Errorf("%s: taken", line)
		}
		if !reflect.DeepEqual(flags, cmd.new()) {
			t.Errorf("%s: flags were touched", line)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	cmd := commandIndex()["run"]
	words := strings.Fields("--rm --network none alpine true")
	b.Run("quick", func(b *testing.B) {
		for b.Loop() {
			if !quickParse(cmd, cmd.new(), words) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			parser, err := newParser(cmd, cmd.new())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := parser.Parse(dockerWords(parser, words)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
