package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage"
)

// Step is a process in a root file system of the caller's, as RUN of a
// Dockerfile starts one: with the isolation of a container, but without a name,
// a folder, a log or a monitor. It ends with the caller.
type Step struct {
	// ID tells it apart from containers and other steps: 64 hexadecimal digits.
	ID string
	// Options and Config say what to execute, as for a container. Options.Network
	// is none or host; with Network it is none.
	Options spec.Options
	Config  storage.Config
	// Seccomp is the text of the profile that Options.SecurityOpt names.
	Seccomp []byte
	// Mount is how the root file system gets to Root, an empty folder. Beside it is
	// written what hooks of devices ask for.
	Mount boot.RootMount
	Root  string
	// Open opens a file of it, for the names of users.
	Open func(path string) (io.ReadCloser, error)
	// Files are bound over paths in it: path to file.
	Files map[string]string
	// Network, if not nil, is what it is connected to.
	Network *StepNetwork
	// Mounts are further mounts, in this order. Trees are descriptors of detached
	// mounts for those whose source is a key of it.
	Mounts []specs.Mount
	Trees  map[string]*os.File
	// Stdin, Stdout and Stderr are the process's own. With Options.TTY it has a
	// terminal instead, connected to the first two.
	Stdin, Stdout, Stderr *os.File
}

// Ended says how a Step ended.
type Ended struct {
	Code      int // 128 and the signal's number after a signal
	OOMKilled bool
}

// Run executes the step and waits for its end, with which all its processes end.
// The caller is in rl's user namespace. When ctx ends, so does the step.
func (s Step) Run(ctx context.Context) (Ended, error) {
	value, err := s.describe()
	if err != nil {
		return Ended{}, err
	}
	type result struct {
		Ended
		error
	}
	done := make(chan result, 1)
	go func() {
		// The child dies with the thread that forked it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended, err := s.execute(ctx, value)
		done <- result{ended, err}
	}()
	r := <-done
	return r.Ended, r.error
}

// describe builds the description, of which the network is taken out when the
// step joins one.
func (s Step) describe() (*specs.Spec, error) {
	host, err := spec.Machine()
	if err != nil {
		return nil, err
	}
	if host.UIDs, host.GIDs, err = ownMaps(); err != nil {
		return nil, err
	}
	host.Dir, host.Open, host.Files = "/", s.Open, s.Files
	host.ReadFile = func(string) ([]byte, error) { return s.Seccomp, nil } // no other option here names a file
	s.Options.ID = s.ID
	value, err := spec.Build(s.Options, s.Config, host)
	if err != nil {
		return nil, err
	}
	value.Root.Path = s.Root
	value.Mounts = append(value.Mounts, s.Mounts...)
	if s.Network != nil {
		value.Linux.Namespaces = slices.DeleteFunc(value.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
			return n.Type == specs.NetworkNamespace
		})
	}
	return value, nil
}

func (s Step) execute(ctx context.Context, value *specs.Spec) (Ended, error) {
	undo := new(cleanup)
	defer undo.run()
	group, err := s.group(ctx, value, undo)
	if err != nil {
		return Ended{}, err
	}
	l := &launch{Init: boot.Init{Spec: value, Root: s.Root, Mount: s.Mount, Trees: map[string]int{}}}
	undo.add(l.closeChildEnds)
	for _, m := range value.Mounts {
		if tree := s.Trees[m.Source]; tree != nil {
			l.Trees[m.Destination] = int(tree.Fd())
		}
	}
	if s.Network != nil {
		l.Joins = []int{int(s.Network.netns.Fd())}
	}
	if l.Filter, err = filterOf(value); err != nil {
		return Ended{}, fmt.Errorf("seccomp: %w", err)
	}
	if l.ready, l.Ready, err = l.gate(undo); err != nil {
		return Ended{}, err
	}
	l.Sync = int(l.ready.Fd())
	if err := l.openHooks(undo); err != nil {
		return Ended{}, err
	}
	if s.Options.TTY {
		err = l.openConsole(undo)
	} else {
		l.Stdio = boot.Stdio{In: int(s.Stdin.Fd()), Out: int(s.Stdout.Fd()), Err: int(s.Stderr.Fd())}
	}
	if err != nil {
		return Ended{}, err
	}
	options := fork.Options{Flags: l.CloneFlags()}
	if group != nil {
		options.Cgroup = group.FD()
	}
	child, err := fork.Start(l.Program(), options)
	if err != nil {
		return Ended{}, err
	}
	l.closeChildEnds()
	handle, err := unix.PidfdOpen(child.PID, 0)
	if err != nil {
		killChild(child.PID)
		return Ended{}, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(handle)
	stop := context.AfterFunc(ctx, func() { unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0) })
	defer stop()
	if err := s.hooks(ctx, child.PID, l); err != nil {
		killChild(child.PID)
		return Ended{}, err
	}
	_, lost := l.ready.Write([]byte{1})
	if l.console != nil {
		end, err := s.connect(l.console)
		if err != nil && !errors.Is(err, errNoFile) { // the child says what went wrong
			killChild(child.PID)
			return Ended{}, err
		}
		defer end()
	}
	if err := child.Wait(); err != nil {
		killChild(child.PID)
		return Ended{}, explain(err, value.Process.Args[0])
	}
	if lost != nil && !errors.Is(lost, unix.EPIPE) {
		killChild(child.PID)
		return Ended{}, lost
	}
	return waitStep(child.PID, group)
}

// hooks runs those of devices, for which the description lies beside the root.
func (s Step) hooks(ctx context.Context, pid int, l *launch) error {
	if l.hooks == nil {
		return nil
	}
	bundle := filepath.Dir(s.Root)
	data, err := json.Marshal(l.Spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644); err != nil {
		return err
	}
	return l.runHooks(ctx, s.ID, bundle, pid)
}

// CheckStepGroup tries whether steps can be held to limits here, and be in groups below
// parent, which is as Options.CgroupParent of a container; it leaves nothing. The caller
// is in rl's user namespace.
func CheckStepGroup(ctx context.Context, l spec.Limits, parent string) error {
	resources, err := l.Resources(runtime.NumCPU())
	if err != nil || parent == "" && len(cgroup2.Missing(resources, nil)) == 0 {
		return err
	}
	undo := new(cleanup)
	defer undo.run()
	_, err = Step{ID: newID(), Options: spec.Options{CgroupParent: parent}}.group(ctx, &specs.Spec{Linux: &specs.Linux{Resources: resources}}, undo)
	return err
}

// group makes a cgroup for a step.
func (s Step) group(ctx context.Context, value *specs.Spec, undo *cleanup) (*cgroup2.Group, error) {
	group, err := cgroup2.Create(ctx, cgroup2.Options{
		ID: s.ID, Resources: value.Linux.Resources, PID: os.Getpid(), Parent: s.Options.CgroupParent,
	})
	if err != nil {
		return nil, err
	}
	if group != nil {
		undo.add(func() { group.Remove(context.WithoutCancel(ctx)) })
	}
	if cgroup2.WatchLimit(group, value.Linux.Resources) > 0 {
		return nil, errors.New("a memory limit needs a delegated cgroup here: 'rl check' says how to get one")
	}
	return group, nil
}

func waitStep(pid int, group *cgroup2.Group) (Ended, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EINTR) {
			return Ended{}, os.NewSyscallError("wait4", err)
		}
	}
	ended := Ended{Code: status.ExitStatus()}
	if status.Signaled() {
		ended.Code = 128 + int(status.Signal())
	}
	if group != nil {
		kills, _ := group.OOMKills()
		ended.OOMKilled = kills > 0
	}
	return ended, nil
}

// StepNetwork is a network namespace connected to the default network, for one
// step after the other.
type StepNetwork struct {
	netns  *os.File
	client *slirp.Client
	// Hosts and ResolvConf are what belongs into its files of these names.
	Hosts, ResolvConf []byte
	Warnings          []string
}

// ConnectStep makes a network for steps; id is 64 hexadecimal digits.
func (s Store) ConnectStep(ctx context.Context, id string) (_ *StepNetwork, err error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	n := new(StepNetwork)
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.netns, err = newNetns(); err != nil {
		return nil, err
	}
	if n.client, err = slirp.Connect(ctx, slirp.Options{RuntimeDir: s.network()}); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	a, err := n.client.Attach(ctx, n.netns, slirp.Endpoint{ID: id, Name: "build-" + id[:12], Hostname: StepHostname})
	if err != nil {
		return nil, err
	}
	host, _ := os.ReadFile("/etc/resolv.conf")
	c := slirp.ParseResolvConf(host)
	c.Nameservers = []netip.Addr{a.DNS}
	n.ResolvConf, n.Warnings = c.Bytes(), a.Warnings
	n.Hosts = slirp.Hosts([]slirp.HostEntry{{IP: a.IPAddress, Names: []string{StepHostname}}}, slirp.HostAddress(), nil)
	return n, nil
}

// StepHostname is the name of the machine that a step believes to be on; always
// the same, so that it may end up in files without making them differ.
const StepHostname = "build"

// Close disconnects the network.
func (n *StepNetwork) Close() error {
	var err error
	if n.client != nil {
		err = n.client.Close()
	}
	if n.netns != nil {
		err = errors.Join(err, n.netns.Close())
	}
	return err
}

// newNetns makes a network namespace, on a thread that ends with that.
func newNetns() (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{err: os.NewSyscallError("unshare", err)}
			return
		}
		f, err := os.Open(filepath.Join("/proc/self/task", fmt.Sprint(unix.Gettid()), "ns/net"))
		if err == nil {
			err = loopbackUp()
		}
		done <- result{f, err}
	}()
	r := <-done
	return r.file, r.err
}

// loopbackUp switches on the interface lo of this thread's network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}

// HostAddress is the address of this machine that containers can reach it by; it
// is not valid where there is none.
func HostAddress() netip.Addr { return slirp.HostAddress() }

// StaticFiles are the files about the network of a step without one of its own:
// the host's with mode host, and little with none.
func StaticFiles(mode string) (hosts, resolvConf []byte) {
	if mode != "host" {
		return slirp.Hosts(nil, netip.Addr{}, nil), nil
	}
	hosts, _ = os.ReadFile("/etc/hosts")
	resolvConf, _ = os.ReadFile("/etc/resolv.conf")
	return hosts, resolvConf
}
