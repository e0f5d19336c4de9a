// Command rl runs containers for one person, without root and without a daemon.
//
// This package holds flags, output and exit codes, one file per group of
// commands; what the commands do lives in runner, storage, slirp and check.
package main

import (
	"os"
	"runtime/debug"
)

// lazyCollector, in percent of the live heap, lets it grow to 32 MiB first.
const lazyCollector = 800

func main() {
	// Most commands end before a collection of garbage would be of use to
	// anybody; those that stay set a limit of their own.
	debug.SetGCPercent(lazyCollector)
	os.Exit(run(&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args))
}
