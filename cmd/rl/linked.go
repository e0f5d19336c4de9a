//go:build !split

package main

import "github.com/rl-project/rl/internal/dirs"

// fullProgram returns the program that links image handling: this one.
func fullProgram(dirs.Dirs) (string, error) { return "", nil }
