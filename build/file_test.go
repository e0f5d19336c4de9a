package build

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func read(text string, o Options) (*builder, error) {
	o.File, o.FileName = []byte(text), "Dockerfile"
	b := &builder{Options: o, external: map[string]*stage{}}
	return b, b.readFile()
}

func TestBadDockerfiles(t *testing.T) {
	for _, c := range []struct {
		text string
		line int
		says string
	}{
		{"", 0, "is empty"},
		{"# nothing\n", 1, "no instructions"},
		{"FROM alpine\nRUM true\n", 2, "did you mean RUN?"},
		{"RUN true\n", 1, "no build stage"},
		{"FROM\n", 1, "FROM requires"},
		{"FROM alpine\nCOPY x\n", 2, "COPY requires at least two"},
		{"FROM alpine\nCOPY --form=x a b\n", 2, "did you mean from?"},
		{"FROM alpine\n\n\nHEALTHCHECK sometimes\n", 4, "HEALTHCHECK"},
		{"FROM alpine\nRUN <<EOF\ntrue\n", 2, "unterminated heredoc"},
		{"FROM alpine\nENV a\n", 2, "ENV"},
	} {
		_, err := read(c.text, Options{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.says)
			continue
		}
		var failed *StepError
		if errors.As(err, &failed) != (c.line > 0) || c.line > 0 && failed.Line != c.line {
			t.Errorf("%q: got line %v, want %d", c.text, failed, c.line)
		}
	}
}

func TestTargets(t *testing.T) {
	b, err := read("FROM scratch AS one\nFROM one AS Two\nFROM scratch\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, index := range map[string]int{"": 2, "one": 0, "two": 1, "TWO": 1, "0": 0, "2": 2} {
		b.Target = name
		if s, err := b.target(); err != nil || s.index != index {
			t.Errorf("%q: got %v, %v", name, s, err)
		}
	}
	b.Target = "three"
	if _, err := b.target(); !errors.Is(err, ErrNoStage) || !strings.Contains(err.Error(), "one, two, stage-2") {
		t.Errorf("got %v", err)
	}
}

func TestStagesThatNeedEachOther(t *testing.T) {
	b, err := read("FROM scratch AS a\nFROM scratch AS b\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := b.source(name, b.list[0]); !errors.Is(err, ErrCycle) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if s, err := b.source("a", b.list[1]); err != nil || s != b.list[0] {
		t.Errorf("got %v, %v", s, err)
	}
}

// Stages run side by side, and each has the words of its own instructions.
func TestStagesExpandSideBySide(t *testing.T) {
	b, err := read("FROM scratch AS a\nFROM scratch AS b\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i, s := range b.list {
		all.Go(func() {
			want := strings.Repeat(strconv.Itoa(i), 30)
			s.env = []string{"WORD=" + want}
			for range 20_000 {
				c := &instructions.WorkdirCommand{Path: "$WORD"}
				if err := s.expand(c); err != nil || c.Path != want {
					t.Errorf("got %q, %v, want %q", c.Path, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestGlobalArgs(t *testing.T) {
	b, err := read("ARG A=1\nARG B=${A}2\nARG C\nFROM scratch\n", Options{Args: map[string]string{"C": "given", "TARGETARCH": "z80"}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(b.global, " ")
	for _, want := range []string{"A=1", "B=12", "C=given", "TARGETARCH=z80", "BUILDOS=linux"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestExposed(t *testing.T) {
	for text, want := range map[string]string{
		"80": "80/tcp", "53/UDP": "53/udp", "8000-8002": "8000/tcp 8001/tcp 8002/tcp", "127.0.0.1:80:90": "90/tcp",
	} {
		if got, err := exposed(text); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "80/http", "9-8", "70000", "-1"} {
		if got, err := exposed(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func FuzzDockerfile(f *testing.F) {
	f.Add("FROM alpine AS a\nARG X=${Y:-z}\nRUN --mount=type=cache,target=/x echo $X\n")
	f.Add("# escape=`\nFROM scratch\nCOPY <<EOF /x\n$a\nEOF\n")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := read(text, Options{}); err == nil && len(b.list) == 0 {
			t.Error("a Dockerfile without stages was accepted")
		}
	})
}
