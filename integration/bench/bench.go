// Command bench compares rl with crun, runc, bubblewrap and podman, as far as
// they are installed, and writes a table.
//
//	bench [-n RUNS] [-o FILE]
//
// All of them run as the ordinary user of the tests, in a random order in
// each round, so that what else the machine does meets all alike; ratios mean
// something, milliseconds only on this machine. As root the whole comparison
// runs in a mount namespace with a plain cgroup version 2 tree, without which
// crun and podman refuse to work on a machine with version 1 controllers.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/rl-project/rl/integration"
)

func main() {
	runs := flag.Int("n", 21, "how often to measure each command")
	out := flag.String("o", "", "also write the table to this file")
	flag.Parse()
	if err := bench(*runs, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(runs int, out string) error {
	if _, err := integration.Bin(); err != nil {
		return err
	}
	account, err := integration.Ordinary()
	if err != nil {
		return err
	}
	var ns *integration.MountNS
	if os.Geteuid() == 0 {
		if ns, err = integration.PureCgroup2(); err != nil {
			return err
		}
		defer ns.Close()
	}
	var table string
	err = ns.Do(func() error {
		table, err = compare(account, runs)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Print(table)
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(table), 0o644)
}

// compare runs every figure and returns the table.
func compare(account integration.Account, runs int) (table string, err error) {
	s, err := newStage(account)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	memory, err := s.memory()
	if err != nil {
		return "", err
	}
	t := newTable(runs)
	for _, f := range s.figures() {
		fmt.Fprintf(os.Stderr, "measuring: %s\n", f.title)
		results, err := f.measure(runs)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.title, err)
		}
		t.add(f, results)
	}
	t.addMemory(memory)
	return t.String(), nil
}
