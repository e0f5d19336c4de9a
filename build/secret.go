package build

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/crypto/ssh/agent"
)

// secretID is what --secret calls the secret of a mount.
func secretID(one *instructions.Mount) string {
	switch {
	case one.Source != "": // BuildKit prefers it
		return one.Source
	case one.CacheID != "":
		return one.CacheID
	}
	return path.Base(one.Target)
}

// secret shows a secret, as a file in memory or as a variable. It gets into no
// layer, key or record.
func (m *mounting) secret(one *instructions.Mount) error {
	id := secretID(one)
	content, ok := m.b.Secrets[id]
	if !ok {
		if one.Required {
			return fmt.Errorf("secret %q is required: give it with --secret id=%s,src=FILE", id, id)
		}
		return nil
	}
	if one.Env != nil {
		name := *one.Env
		if name == "" {
			name = path.Base(id)
		}
		m.step.Options.Env = append(m.step.Options.Env, name+"="+string(content))
	}
	target := one.Target
	switch {
	case target == "" && one.Env != nil:
		return nil
	case target == "":
		target = "/run/secrets/" + path.Base(id)
	}
	dir, err := m.memory()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "secret-"+strconv.Itoa(len(m.step.Mounts)))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	if err := dress(file, one, 0o400); err != nil {
		return err
	}
	return m.place(target, file, "ro", "nosuid", "nodev", "noexec")
}

// dress gives a file or socket the owner and mode that a mount says.
func dress(file string, one *instructions.Mount, mode uint64) error {
	return errors.Join(os.Chown(file, int(valueOr(one.UID, 0)), int(valueOr(one.GID, 0))),
		os.Chmod(file, os.FileMode(valueOr(one.Mode, mode)&0o777)))
}

// agent lets the RUN talk to an agent with keys, through a socket of this
// program's that only lists keys and signs.
func (m *mounting) agent(one *instructions.Mount) error {
	if one.Source != "" {
		return errors.New("source means nothing here: an agent is chosen by its id")
	}
	id := one.CacheID
	if id == "" {
		id = "default"
	}
	open, ok := m.b.agents[id]
	if !ok {
		if one.Required {
			return fmt.Errorf("agent %q is required: give it with --ssh %s", id, id)
		}
		return nil
	}
	dir, err := m.memory()
	if err != nil {
		return err
	}
	name := "agent-" + strconv.Itoa(m.sockets)
	listener, err := listenIn(dir, name)
	if err != nil {
		return err
	}
	m.undo.add(func() { listener.Close() })
	go serveAgent(listener, open)
	file := filepath.Join(dir, name)
	if err := dress(file, one, 0o600); err != nil {
		return err
	}
	target := one.Target
	if target == "" {
		target = "/run/buildkit/ssh_agent." + strconv.Itoa(m.sockets)
	}
	if m.sockets++; m.sockets == 1 {
		m.step.Options.Env = append(m.step.Options.Env, "SSH_AUTH_SOCK="+m.absolute(target))
	}
	return m.place(target, file)
}

// listenIn makes a socket in a folder whose path may be longer than the 108
// bytes that the name of a socket has (unix(7)).
func listenIn(dir, name string) (*net.UnixListener, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	short := fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then short is another's
	return l, nil
}

// serveAgent answers on a socket until it is closed.
func serveAgent(l *net.UnixListener, open agentOpener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			keys, done, err := open()
			if err != nil {
				return // the caller sees an agent that went away
			}
			defer done()
			_ = agent.ServeAgent(signer{keys}, client)
		}()
	}
}
