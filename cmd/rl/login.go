package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/rl-project/rl/internal/credentials"
)

// loginCommands keep and forget what registries know the person by.
var loginCommands = []command{
	{
		name: "login", group: groupImages, summary: "Log in to a registry", usage: "[flags] [REGISTRY]",
		examples: []string{"rl login", "pass show registry | rl login -u me --password-stdin registry.example.org"},
		new:      func() any { return new(loginCmd) },
	},
	{
		name: "logout", group: groupImages, summary: "Log out of a registry", usage: "[REGISTRY]",
		examples: []string{"rl logout", "rl logout registry.example.org"},
		new:      func() any { return new(logoutCmd) },
	},
	{name: "check-login", where: inFull, new: func() any { return new(checkLoginCmd) }},
}

type loginCmd struct {
	User     string  `name:"username" short:"u" placeholder:"NAME" help:"User name."`
	Password *string `short:"p" placeholder:"PASSWORD" help:"Password; others on this machine can see it while rl runs."`
	Stdin    bool    `name:"password-stdin" help:"Read the password from standard input."`
	Registry string  `arg:"" optional:""`
}

type logoutCmd struct {
	Registry string `arg:"" optional:""`
}

// checkLoginCmd asks the registry; the password comes on standard input.
type checkLoginCmd struct {
	Registry string `arg:""`
	User     string `arg:""`
}

func (c *loginCmd) Run(a *app) error {
	registry, err := registryName(c.Registry)
	if err != nil {
		return err
	}
	l, err := c.ask(a, registry)
	if err != nil {
		return err
	}
	if err := a.checkLogin(registry, l); err != nil {
		return err
	}
	file, err := credentials.Save(registry, l)
	if err != nil {
		return err
	}
	if file != "" {
		a.warnf("the password is stored unencrypted in %s; a credential helper (credsStore in that file) would keep it in a keyring", file)
	}
	a.printf("Login Succeeded\n")
	return nil
}

// registryName returns the registry that was named as a host or a URL.
func registryName(s string) (string, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "/")
	switch name {
	case "", "index.docker.io", "index.docker.io/v1", "registry-1.docker.io":
		return "docker.io", nil
	}
	if strings.ContainsAny(name, "/ @") {
		return "", usagef("%q is not a registry: give its host name, with its port if it has one", s)
	}
	return name, nil
}

// ask finds out name and password: from the flags, from standard input, or from
// the person. What is kept already is tried when nothing is said.
func (c *loginCmd) ask(a *app, registry string) (l credentials.Login, err error) {
	if c.Password != nil && c.Stdin {
		return l, usagef("--password and --password-stdin are mutually exclusive")
	}
	if c.Stdin && c.User == "" {
		return l, usagef("--password-stdin needs the user name with --username")
	}
	if c.Password != nil {
		a.warnf("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
	}
	l.User = c.User
	switch {
	case c.Stdin:
		text, err := io.ReadAll(io.LimitReader(a.stdin, 1<<20))
		if err != nil {
			return l, err
		}
		l.Password = strings.TrimRight(string(text), "\r\n")
	case c.Password != nil:
		l.Password = *c.Password
	case c.User == "":
		kept, ok, err := credentials.Find(registry)
		if err != nil || ok && kept.Token == "" && !term.IsTerminal(int(a.stdin.Fd())) {
			return kept, err
		}
	}
	if l.User == "" || l.Password == "" && c.Password == nil && !c.Stdin {
		if err := prompt(a, registry, &l); err != nil {
			return l, err
		}
	}
	if l.User == "" || l.Password == "" {
		return l, usagef("the user name and the password must not be empty")
	}
	return l, nil
}

// prompt asks the person for what is missing; the password is not shown.
func prompt(a *app, registry string, l *credentials.Login) error {
	if !term.IsTerminal(int(a.stdin.Fd())) {
		return usagef("cannot ask for a password without a terminal: use --username and --password-stdin")
	}
	fmt.Fprintf(a.stderr, "Log in to %s.\n", registry)
	if l.User == "" {
		fmt.Fprint(a.stderr, "Username: ")
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil {
			return errors.New("no user name was given")
		}
		l.User = strings.TrimSpace(line)
	}
	if l.Password != "" {
		return nil
	}
	fmt.Fprint(a.stderr, "Password: ")
	password, err := readSecret(a.stdin)
	fmt.Fprintln(a.stderr)
	l.Password = password
	return err
}

// readSecret reads a line from a terminal without showing it. An interrupt must
// not leave the terminal like that.
func readSecret(from *os.File) (string, error) {
	fd := int(from.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		s := <-signals
		term.Restore(fd, before)
		signal.Reset(s)
		unix.Kill(os.Getpid(), s.(syscall.Signal))
	}()
	text, err := term.ReadPassword(fd)
	return string(text), err
}

// checkLogin has the program that knows registries try a login.
func (a *app) checkLogin(registry string, l credentials.Login) error {
	secret, err := inMemory("rl-password", []byte(l.Password))
	if err != nil {
		return err
	}
	defer secret.Close()
	asking := *a
	asking.stdin = secret
	return asking.runInside(inFull, []string{"check-login", "--", registry, l.User})
}

func (c *logoutCmd) Run(a *app) error {
	registry, err := registryName(c.Registry)
	if err != nil {
		return err
	}
	err = credentials.Erase(registry)
	if errors.Is(err, credentials.ErrNotLoggedIn) {
		a.printf("Not logged in to %s\n", registry)
		return nil
	}
	if err == nil {
		a.printf("Removing login credentials for %s\n", registry)
	}
	return err
}
