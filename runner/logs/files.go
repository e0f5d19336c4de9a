package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// numbersOf returns how often each file of the log was set aside, newest
// first; 0 is path itself. A file and its compressed copy count as one. None is
// no error.
func numbersOf(path string) ([]int, error) {
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		rest, ok := strings.CutPrefix(name.Name(), filepath.Base(path))
		if !ok {
			continue
		}
		rest = strings.TrimSuffix(rest, packedEnding)
		if name.Name() == filepath.Base(path) {
			numbers = append(numbers, 0)
		} else if n, err := strconv.Atoi(strings.TrimPrefix(rest, ".")); err == nil && n > 0 && rest[0] == '.' {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// position is what a look at the folder says of the file after another one.
type position struct {
	number int  // of the next file, -1 if there is none
	gone   bool // the file itself is not there any more
	self   int  // its number
}

// locate finds the file that follows f: the oldest of those newer than f, or
// of all if f is nil or was rotated away.
func locate(path string, f fs.FileInfo) (position, error) {
	numbers, err := numbersOf(path)
	if err != nil {
		return position{}, err
	}
	newer := append([]int{-1}, numbers...) // newer[i] is the next file after numbers[i]
	if f != nil {
		for _, same := range []func(string, int, fs.FileInfo) bool{isStored, wasPackedFrom} {
			for i, n := range numbers {
				if same(path, n, f) {
					return position{number: newer[i], self: n}, nil
				}
			}
		}
	}
	return position{number: newer[len(numbers)], gone: true}, nil
}

// successor opens the file that follows f, the oldest if f is nil. It is nil
// if f is the newest. gone tells that f is no longer among the files, so that
// others may have been between it and the one returned; it is always false
// where only one file is kept, because then that is so after each rotation.
//
// The writer may rotate at any time; it moves files one after the other, the
// oldest first, and only to higher numbers. So if f and its neighbour have the
// same numbers before and after the neighbour was opened, it was the neighbour.
func successor(ctx context.Context, path string, f *part) (next *part, gone bool, err error) {
	var info fs.FileInfo
	if f != nil {
		if info, err = f.Stat(); err != nil {
			return nil, false, err
		}
	}
	for ctx.Err() == nil {
		before, err := locate(path, info)
		if err != nil || before.number < 0 {
			return nil, false, err
		}
		next, err := openPart(path, before.number)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if after, err := locate(path, info); err == nil && after == before {
			return next, f != nil && before.gone && before.number > 0, nil
		}
		next.Close()
	}
	return nil, false, ctx.Err()
}

func closeAll(files []*part) {
	for _, f := range files {
		f.Close()
	}
}

// newest reports whether f is the file that is written to.
func newest(path string, f *part) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(there, info)
}
