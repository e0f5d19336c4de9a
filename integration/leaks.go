package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process that belongs to an Env.
type Process struct {
	PID  int
	Args []string
	// Ours means that it runs rl itself, not a container's command.
	Ours bool
}

func (p Process) String() string {
	return fmt.Sprintf("process %d: %s", p.PID, strings.Join(p.Args, " "))
}

// Processes are the live processes that belong to the Env: those that run its
// program, name its folders in their environment, are in the mount namespace
// that was made for it, or in a user namespace in which such a one has been.
func (e *Env) Processes() []Process {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err) // only a wrong pattern is an error
	}
	var found []Process
	programs := e.programs()
	others := map[string]Process{} // by folder in /proc
	for _, dir := range dirs {
		p, ok := readProcess(dir)
		if !ok || p.PID == os.Getpid() {
			continue
		}
		if !e.owns(&p, dir, programs) {
			others[dir] = p
			continue
		}
		e.learnUserNS(dir)
		found = append(found, p)
	}
	for dir, p := range others {
		if e.knowsUserNS(dir) {
			found = append(found, p)
		}
	}
	return found
}

// readProcess is false for a process that has ended and for a kernel thread.
func readProcess(dir string) (Process, bool) {
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		return Process{}, false
	}
	args, err := os.ReadFile(dir + "/cmdline")
	if err != nil || len(args) == 0 {
		return Process{}, false
	}
	return Process{PID: pid, Args: strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")}, true
}

// owns looks at one process alone, and sees whether it runs rl. What it runs
// is told by the file itself: the path depends on the mount namespace.
func (e *Env) owns(p *Process, dir string, programs []os.FileInfo) bool {
	exe := readlink(dir + "/exe")
	held := e.mounts != nil && readlink(dir+"/ns/mnt") == e.mounts.name
	mine := strings.HasPrefix(exe, e.Dir+"/") || held || mentions(dir+"/environ", e.Dir)
	p.Ours = mine && strings.HasPrefix(exe, "/memfd:rl")
	if info, err := os.Stat(dir + "/exe"); mine && err == nil {
		p.Ours = p.Ours || slices.ContainsFunc(programs, func(f os.FileInfo) bool { return os.SameFile(f, info) })
	}
	return mine
}

// programs are the files that are rl: the one under test, and the full one
// that it has unpacked.
func (e *Env) programs() []os.FileInfo {
	unpacked, err := filepath.Glob(filepath.Join(e.Data(), "program-*"))
	if err != nil {
		panic(err) // only a wrong pattern is an error
	}
	var all []os.FileInfo
	for _, path := range append(unpacked, e.Prog) {
		if info, err := os.Stat(path); err == nil {
			all = append(all, info)
		}
	}
	return all
}

// learnUserNS remembers the user namespace of a process. It is held open, so
// that the kernel gives its number to no other while the Env exists.
func (e *Env) learnUserNS(dir string) {
	e.usernsMu.Lock()
	defer e.usernsMu.Unlock()
	ns := readlink(dir + "/ns/user")
	if ns == "" || ns == readlink("/proc/self/ns/user") || e.userns[ns] != nil {
		return
	}
	f, err := os.Open(dir + "/ns/user")
	if err != nil {
		return // it has ended
	}
	if readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) != ns {
		f.Close()
		return
	}
	if e.userns == nil {
		e.userns = map[string]*os.File{}
	}
	e.userns[ns] = f
}

func (e *Env) knowsUserNS(dir string) bool {
	e.usernsMu.Lock()
	defer e.usernsMu.Unlock()
	return e.userns[readlink(dir+"/ns/user")] != nil
}

// readlink is empty where there is nothing to read.
func readlink(path string) string {
	target, _ := os.Readlink(path)
	return target
}

func mentions(file, text string) bool {
	data, err := os.ReadFile(file)
	return err == nil && bytes.Contains(data, []byte(text+"/"))
}

// Leaks lists what the Env's containers left behind, once all of them are
// removed: processes but for the one that holds the user namespace, mounts,
// control groups, folders of containers. Processes that are about to end get the
// time for it: the network process stays some seconds for the next container.
func (e *Env) Leaks() []string {
	var leaks []string
	for _, p := range e.Processes() {
		if p.holder() {
			continue
		}
		if err := waitGone(p.PID, patience); err != nil {
			leaks = append(leaks, p.String())
		}
	}
	leaks = append(leaks, e.leakedMounts()...)
	leaks = append(leaks, e.leakedGroups()...)
	for _, folder := range []string{"containers", "trash"} {
		left, err := filepath.Glob(filepath.Join(e.Data(), folder, "*"))
		if err != nil {
			panic(err) // only a wrong pattern is an error
		}
		leaks = append(leaks, left...)
	}
	return leaks
}

// settle waits until the monitors of containers that have ended are gone too:
// they delete files after the command has returned.
func (e *Env) settle(t testing.TB) {
	t.Helper()
	for _, p := range e.Processes() {
		if p.monitor() {
			WaitGone(t, p.PID)
		}
	}
}

// monitor reports whether the process is a container's monitor.
func (p Process) monitor() bool { return p.Ours && slices.Contains(p.Args, "monitor") }

// holder reports whether the process is the one that keeps the user namespace,
// which stays when the last container has gone.
func (p Process) holder() bool { return p.Args[0] == "rl-holder" }

// leakedMounts are the mounts from the Env's folders in the namespace where
// its commands start, but for the ones that the harness made there itself.
func (e *Env) leakedMounts() []string {
	var leaks []string
	table := e.mountTable()
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(line, e.Dir) || e.madeMount(fields[4]) {
			continue
		}
		leaks = append(leaks, "mount "+strings.TrimSpace(line))
	}
	return leaks
}

func (e *Env) madeMount(place string) bool {
	if slices.Contains(e.ownMounts, place) {
		return true
	}
	for _, p := range rootPlaces {
		if p == place {
			return e.mounts != nil
		}
	}
	return false
}

func (e *Env) mountTable() string {
	var table []byte
	err := e.mounts.Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/mountinfo")
		return err
	})
	if err != nil {
		return "cannot read the mounts of " + e.Dir + ": " + err.Error()
	}
	return string(table)
}

// leakedGroups are the control groups of containers that were not there when
// the Env was made and have no process; those with processes belong to
// somebody else's containers, or show among the processes.
func (e *Env) leakedGroups() []string {
	var leaks []string
	for g := range containerGroups() {
		procs, err := os.ReadFile(g + "/cgroup.procs")
		if !e.groups[g] && err == nil && len(procs) == 0 {
			leaks = append(leaks, "control group "+g)
		}
	}
	return leaks
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// containerGroups are all control groups named for a container.
func containerGroups() map[string]bool {
	found := map[string]bool{}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && containerID.MatchString(d.Name()) {
			found[path] = true
		}
		return nil // groups come and go while we look
	})
	return found
}

// Close removes all containers, returns what is left nevertheless, and then
// removes the Env with every process and file of it.
func (e *Env) Close() []string {
	var leaks []string
	if r, err := e.Cmd("ps", "-aq").Do(); err == nil && r.Code == 0 && r.Out != "" {
		e.Cmd(append([]string{"rm", "-f"}, strings.Fields(r.Out)...)...).Do()
	}
	leaks = append(leaks, e.Leaks()...)
	e.remove()
	return leaks
}

// remove deletes the Env's folder. Files of mapped ids belong to others than
// an ordinary user: they need the user namespace, and so its holder.
func (e *Env) remove() {
	e.Cmd("unshare", "rm", "-rf", e.Home, e.Runtime).Do()
	for _, p := range e.Processes() {
		unix.Kill(p.PID, unix.SIGKILL)
		waitGone(p.PID, 5*time.Second)
	}
	for _, place := range e.ownMounts {
		unix.Unmount(place, unix.MNT_DETACH)
	}
	for _, f := range e.userns {
		f.Close()
	}
	e.mounts.Close()
	os.RemoveAll(e.Dir)
}
