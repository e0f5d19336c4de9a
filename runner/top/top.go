// Package top lists the processes of a container as ps(1) shows them, from the
// host's side: the container's image needs no ps, and cannot lie about it.
//
// It runs the host's ps, whose options people know. Where there is none it
// reads /proc itself, for the default columns only.
package top

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Table is what ps printed of some processes.
type Table struct {
	Titles []string
	Rows   [][]string
}

// ErrNoPID is returned for options by which ps does not print process ids, by
// which rows are chosen.
var ErrNoPID = errors.New("ps printed no PID column: add pid to its columns, as in -o pid,comm")

// List shows the processes with the given ids; options are those of ps, empty
// for -ef. Processes that have ended are left out.
func List(pids []int, options []string) (Table, error) {
	path, err := exec.LookPath("ps")
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		if len(options) > 0 {
			return Table{}, fmt.Errorf("this machine has no ps to take %s: install procps, or leave the options out", strings.Join(options, " "))
		}
		return readAll("/proc", pids)
	}
	if err != nil {
		return Table{}, err
	}
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	// Without -q, options that choose no processes mean those of the person's
	// terminal. Options that do choose some may not go with it.
	output, err := run(path, append(slices.Clone(options), "-q", list(pids)))
	if err != nil {
		output, err = run(path, options)
	}
	if err != nil {
		return Table{}, err
	}
	return choose(output, pids)
}

func list(pids []int) string {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	return strings.Join(words, ",")
}

func run(path string, options []string) (string, error) {
	ps := exec.Command(path, options...)
	var errs bytes.Buffer
	ps.Stderr = &errs
	output, err := ps.Output()
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("ps %s: %w: %s", strings.Join(options, " "), err, said)
	}
	return string(output), nil
}

// choose takes the rows of some processes from what ps printed. Only the last
// column may have blanks in it.
func choose(output string, pids []int) (Table, error) {
	first, rest, _ := strings.Cut(output, "\n")
	t := Table{Titles: strings.Fields(first)}
	column := slices.Index(t.Titles, "PID")
	if column < 0 {
		return Table{}, ErrNoPID
	}
	for line := range strings.Lines(rest) {
		row := fields(line, len(t.Titles))
		if len(row) <= column {
			continue
		}
		if pid, err := strconv.Atoi(row[column]); err == nil && slices.Contains(pids, pid) {
			t.Rows = append(t.Rows, row)
		}
	}
	return t, nil
}

// fields splits a line at blanks into at most n fields.
func fields(line string, n int) []string {
	var list []string
	for rest := strings.TrimSpace(line); rest != ""; {
		end := strings.IndexAny(rest, " \t")
		if end < 0 || len(list) == n-1 {
			end = len(rest)
		}
		list = append(list, rest[:end])
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	return list
}
