package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

var (
	// ErrDockerfile is wrapped by errors about a Dockerfile that cannot be read.
	ErrDockerfile = errors.New("Dockerfile")
	// ErrNoStage is wrapped when a stage is asked for that is not there.
	ErrNoStage = errors.New("no such stage")
	// ErrCycle is wrapped when stages need each other.
	ErrCycle = errors.New("circular dependency")
	// ErrNotFound is wrapped when there is nothing to copy.
	ErrNotFound = errors.New("not found")
)

// StepError is a step that failed.
type StepError struct {
	// File is what the Dockerfile is called, and Line where the step begins.
	File string
	Line int
	// Source are the lines around it, with their numbers, the step's marked.
	Source string
	// Log is the end of what it printed.
	Log string
	Err error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

// ExitError is a RUN that ended with another code than 0.
type ExitError struct {
	Command string
	Code    int
	OOM     bool
}

func (e *ExitError) Error() string {
	if e.OOM {
		return fmt.Sprintf("process %q ran out of memory: exit code: %d", e.Command, e.Code)
	}
	return fmt.Sprintf("process %q did not complete successfully: exit code: %d", e.Command, e.Code)
}

// excerpt shows the lines of a text around some of them.
func excerpt(text []byte, first, last int) string {
	lines := strings.Split(string(text), "\n")
	var b strings.Builder
	for n := max(1, first-2); n <= min(len(lines), last+2); n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		line := strings.TrimRight(lines[n-1], "\r")
		if len(line) > 200 {
			line = line[:200] + "..."
		}
		fmt.Fprintf(&b, "%4d | %s %s\n", n, mark, line)
	}
	return b.String()
}

// withCaret marks, in an excerpt, the word of a line that a message is about: the
// first one that is in both, or else the line's first.
func withCaret(source string, line int, message string) string {
	lines := strings.SplitAfter(source, "\n")
	for i, text := range lines {
		number, code, ok := strings.Cut(text, "| >>> ")
		if !ok || strings.TrimSpace(number) != fmt.Sprint(line) {
			continue
		}
		start, length := faultyWord(strings.TrimRight(code, "\n"), message)
		mark := strings.Repeat(" ", len(number)) + "|     " + strings.Repeat(" ", start) + "^" + strings.Repeat("~", max(0, length-1)) + "\n"
		return strings.Join(slices.Insert(lines, i+1, mark), "")
	}
	return source
}

// faultyWord finds where in a line a message's word is. The instruction itself is
// in nearly all messages, and means nothing unless it is the fault.
func faultyWord(code, message string) (start, length int) {
	said := map[string]bool{}
	for _, word := range strings.FieldsFunc(message, func(r rune) bool { return strings.ContainsRune(" :,()'\"?", r) }) {
		said[strings.ToLower(word)] = true
	}
	at, first := 0, true
	for _, word := range strings.Fields(code) {
		begin := at + strings.Index(code[at:], word)
		at = begin + len(word)
		bare := strings.ToLower(strings.Trim(word, ":,()'\"?"))
		name, _, _ := strings.Cut(bare, "=")
		unknown := first && strings.Contains(message, "unknown instruction")
		if unknown || !first && (said[bare] || said[name] || said[strings.TrimLeft(name, "-")]) {
			return begin, len(word)
		}
		if first {
			start, length = begin, len(word)
		}
		first = false
	}
	return start, length
}

// at makes err one of the step at these lines.
func (b *builder) at(err error, where []parser.Range) error {
	var known *StepError
	if err == nil || errors.As(err, &known) {
		return err
	}
	if len(where) == 0 {
		return fmt.Errorf("%s: %w", b.FileName, err)
	}
	first, last := where[0].Start.Line, where[len(where)-1].End.Line
	failed := &StepError{File: b.FileName, Line: first, Source: excerpt(b.File, first, last), Err: err}
	if l := new(withLog); errors.As(err, &l) {
		failed.Log, failed.Err = l.log, l.error
	}
	return failed
}

// withLog is an error with the end of what the step printed.
type withLog struct {
	error
	log string
}

func (e *withLog) Unwrap() error { return e.error }
