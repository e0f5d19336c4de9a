// Command rl runs containers for one person, without root and without a daemon.
//
// This package holds flags, output and exit codes, one file per group of
// commands; what the commands do lives in runner, storage, slirp and check.
package main

import "os"

func main() {
	os.Exit(run(&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args))
}
