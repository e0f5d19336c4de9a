// Command demo shows the main job of rl: a container under a memory limit.
//
//	demo PATH-OF-RL
//
// It runs Alpine from Docker Hub where that answers. Where it does not, it
// makes a small image from the machine's static busybox, and without one from
// a Go program of a few lines, and says so.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PATH-OF-RL")
		os.Exit(2)
	}
	rl, err := filepath.Abs(os.Args[1])
	if err == nil {
		err = (&demo{rl: rl, name: fmt.Sprintf("demo-%d", os.Getpid())}).run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo shows the program at the path rl with containers called name and
// name-greedy.
type demo struct{ rl, name string }

func (d *demo) run() error {
	image, err := d.image()
	if err != nil {
		return err
	}
	defer d.quiet("rm", "-f", d.name, d.name+"-greedy")
	if err := d.show(0, "run", append([]string{"--name", d.name, "--memory", "20m", image.name}, image.tell...)...); err != nil {
		return err
	}
	if err := d.show(0, "inspect", "--format", "limit {{.HostConfig.Memory}} bytes, exit code {{.State.ExitCode}}", d.name); err != nil {
		return err
	}
	say("And one that wants all the memory there is, with the same limit:")
	if err := d.show(137, "run", append([]string{"--name", d.name + "-greedy", "--memory", "20m", image.name}, image.grow...)...); err != nil {
		return err
	}
	if err := d.show(0, "ps", "-a", "--filter", "name="+d.name); err != nil {
		return err
	}
	say("That was it. The image stays: bin/rl run --rm -it " + image.name)
	return nil
}

// show prints an rl command and runs it on our stdio. It must end with code.
func (d *demo) show(code int, verb string, args ...string) error {
	fmt.Printf("\n$ rl %s %s\n", verb, quoted(args))
	c := exec.Command(d.rl, append([]string{verb}, args...)...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := c.Run()
	exit := new(exec.ExitError)
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := c.ProcessState.ExitCode(); got != code {
		return fmt.Errorf("rl %s ended with %d, want %d", verb, got, code)
	}
	return nil
}

// quiet runs an rl command of which nobody needs the output.
func (d *demo) quiet(args ...string) error { return d.feed(nil, args...) }

func (d *demo) feed(in io.Reader, args ...string) error {
	c := exec.Command(d.rl, args...)
	c.Stdin = in
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("rl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func say(text string) { fmt.Printf("\n%s\n", text) }

// quoted writes arguments as a person would type them.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if strings.ContainsAny(a, " \n$;{}*?\"<>|&") {
			words[i] = "'" + a + "'"
		}
	}
	return strings.Join(words, " ")
}
