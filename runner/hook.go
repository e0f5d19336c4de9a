package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hookTimeout is for hooks that have none of their own.
const hookTimeout = time.Minute

// runHooks runs the hooks of injected devices, when everything is mounted and
// the container has not entered its root yet. They are programs of the host's,
// named by files of the administrator's or the person's, and run with the
// person's rights in rl's user namespace.
// Bundle is a folder with the container's description in config.json.
func (l *launch) runHooks(ctx context.Context, id, bundle string, pid int) error {
	if l.hooks == nil {
		return nil
	}
	if n, err := l.hooks.Read(make([]byte, 1)); n == 0 || err != nil {
		return nil // the child says what went wrong
	}
	state, err := json.Marshal(specs.State{
		Version: specs.Version, ID: id, Status: specs.StateCreating, Pid: pid, Bundle: bundle,
	})
	if err != nil {
		return err
	}
	for _, h := range l.Spec.Hooks.CreateRuntime {
		if err := runHook(ctx, h, state); err != nil {
			return err
		}
	}
	err = inMountNamespace(pid, func() error {
		for _, h := range l.Spec.Hooks.CreateContainer {
			if err := runHook(ctx, h, state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = l.hooks.Write([]byte{1})
	return err
}

// inMountNamespace calls do on a thread in the mount namespace of a process; what
// it starts is born there. The thread ends with it.
func inMountNamespace(pid int, do func() error) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("find the container's mounts: %w", err)
	}
	defer unix.Close(fd)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNS)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// runHook runs one hook as the OCI runtime specification says: the container's
// state on its standard input, its own environment and nothing of ours.
func runHook(ctx context.Context, h specs.Hook, state []byte) error {
	timeout := hookTimeout
	if h.Timeout != nil {
		timeout = time.Duration(*h.Timeout) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	said := new(bytes.Buffer)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stderr = append([]string{}, h.Env...), "/", bytes.NewReader(state), said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.New("it took too long")
	}
	if err != nil {
		return fmt.Errorf("hook %s of the device: %w %s", h.Path, err, lastLine(said.String()))
	}
	return nil
}

// lastLine is the last line of what a program said, where it mostly says why.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
