// Command bench compares rl with crun, runc, bubblewrap, podman and buildah, as
// far as they are installed, and with tar, and writes tables.
//
//	bench [-n RUNS] [-size MB] [-o FILE] [-only commands|archives|builds|network]
//
// All of them run as the ordinary user of the tests, in a random order in
// each round, so that what else the machine does meets all alike; ratios mean
// something, milliseconds only on this machine. As root the whole comparison
// runs in a mount namespace with a plain cgroup version 2 tree, without which
// crun and podman refuse to work on a machine with version 1 controllers, and
// with a file system of its own for the homes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rl-project/rl/integration"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "traffic" {
		if err := traffic(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "measure only `commands`, archives, builds or network")
	runs := flag.Int("n", 21, "how often to measure each command")
	size := flag.Int("size", 1024, "how many `megabytes` go through logs, archives and builds; 50 small files for each as well")
	out := flag.String("o", "", "also write the table to this file")
	flag.Parse()
	if err := bench(*runs, *size, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(runs, size int, out, only string) error {
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
		if err := ns.Do(journalled); err != nil {
			return err
		}
	}
	var table string
	err = ns.Do(func() error {
		table, err = compare(account, runs, size, only)
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
func compare(account integration.Account, runs, size int, only string) (table string, err error) {
	s, err := newStage(account)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	wanted := func(part string) bool { return only == "" || only == part }
	var memory []footprint
	if wanted("commands") {
		// Before the figures: what they leave in the file cache is not the container's.
		if memory, err = s.memory(); err != nil {
			return "", err
		}
	}
	t := newTable(runs)
	var figures []figure
	if wanted("archives") {
		figures = append(figures, s.archiveFigures(size)...)
	}
	if wanted("builds") {
		figures = append(figures, s.buildFigures(size)...)
	}
	if wanted("commands") {
		figures = append(s.figures(size), figures...)
	}
	if err := t.measure(figures, runs); err != nil {
		return "", err
	}
	if wanted("commands") {
		t.addMemory(memory)
	}
	if wanted("network") {
		err = s.compareNetworks(t, runs)
	}
	return t.String(), err
}

// measure adds a table of figures.
func (t *table) measure(figures []figure, runs int) error {
	if len(figures) > 0 {
		t.head()
	}
	for _, f := range figures {
		fmt.Fprintf(os.Stderr, "measuring: %s\n", strings.ReplaceAll(f.title, "\\", ""))
		results, err := f.measure(runs)
		if err != nil {
			return fmt.Errorf("%s: %w", f.title, err)
		}
		t.add(f, results)
	}
	return nil
}

func (s *stage) compareNetworks(t *table, runs int) error {
	n, err := s.prepareNetwork()
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	for _, c := range n.comparisons() {
		fmt.Fprintf(os.Stderr, "measuring: %s\n", c.title)
		t.addNetwork(c, c.measure(runs))
	}
	if err := n.addStart(t, runs); err != nil {
		return err
	}
	return n.addCrowd(t)
}
