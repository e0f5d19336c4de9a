package build

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentOpener connects to an agent; done ends that.
type agentOpener func() (keys agent.ExtendedAgent, done func(), err error)

// SSH is what one --ssh names.
type SSH struct {
	// Files are the socket of an agent, or private keys.
	Files []string
	// Agent, if not nil, is a connection to an agent.
	Agent *os.File
}

// openAgents reads Options.SSH.
func openAgents(list map[string]SSH) (map[string]agentOpener, error) {
	agents := map[string]agentOpener{}
	for id, from := range list {
		open, err := from.open()
		if err != nil {
			return nil, fmt.Errorf("--ssh %s: %w", id, err)
		}
		agents[id] = open
	}
	return agents, nil
}

func (s SSH) open() (agentOpener, error) {
	if s.Agent != nil {
		c, err := net.FileConn(s.Agent)
		if err != nil {
			return nil, err
		}
		return always(agent.NewClient(c)), nil
	}
	if len(s.Files) == 1 {
		info, err := os.Stat(s.Files[0])
		if err != nil {
			return nil, err
		}
		if info.Mode()&os.ModeSocket != 0 {
			return dialer(s.Files[0]), nil
		}
	}
	ring, ok := agent.NewKeyring().(agent.ExtendedAgent)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	for _, file := range s.Files {
		if err := addKey(ring, file); err != nil {
			return nil, err
		}
	}
	return always(ring), nil
}

// always is an agent that is there anyway.
func always(keys agent.ExtendedAgent) agentOpener {
	return func() (agent.ExtendedAgent, func(), error) { return keys, func() {}, nil }
}

// dialer connects to the socket of an agent.
func dialer(socket string) agentOpener {
	return func() (agent.ExtendedAgent, func(), error) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return nil, nil, err
		}
		return agent.NewClient(c), func() { c.Close() }, nil
	}
}

// mostKey bounds what is read as a key.
const mostKey = 100 << 10

func addKey(ring agent.Agent, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostKey))
	if err != nil {
		return err
	}
	key, err := ssh.ParseRawPrivateKey(text)
	if needs := new(ssh.PassphraseMissingError); errors.As(err, &needs) {
		return fmt.Errorf("%s has a passphrase: add it to ssh-agent and give the agent's socket", file)
	}
	if err != nil {
		return fmt.Errorf("%s is neither the socket of an agent nor a private key: %w", file, err)
	}
	return ring.Add(agent.AddedKey{PrivateKey: key})
}

// errOnlySigning is what a RUN is told that wants to change the person's agent.
var errOnlySigning = errors.New("the agent of a build only lists keys and signs")

// signer is an agent that others cannot change.
type signer struct{ agent.ExtendedAgent }

func (signer) Add(agent.AddedKey) error                 { return errOnlySigning }
func (signer) Remove(ssh.PublicKey) error               { return errOnlySigning }
func (signer) RemoveAll() error                         { return errOnlySigning }
func (signer) Lock([]byte) error                        { return errOnlySigning }
func (signer) Unlock([]byte) error                      { return errOnlySigning }
func (signer) Signers() ([]ssh.Signer, error)           { return nil, errOnlySigning }
func (signer) Extension(string, []byte) ([]byte, error) { return nil, agent.ErrExtensionUnsupported }
