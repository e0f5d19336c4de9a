package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/userns"
)

// Both are set by the linker (see the Makefile).
var (
	version = "development"
	commit  = ""
)

var systemCommands = []command{
	{
		name: "info", aliases: []string{"system info"}, group: groupSystem, where: inFull,
		summary: "Show what rl has stored and how it runs here", usage: "[flags]",
		examples: []string{"rl info", "rl info -f '{{.Driver}} {{.CgroupVersion}}'"},
		new:      func() any { return new(infoCmd) },
	},
	{
		name: "version", group: groupSystem, summary: "Show the version of rl",
		usage: "[flags]", examples: []string{"rl version", "rl version -f '{{.Client.Version}}'"},
		new: func() any { return new(versionCmd) },
	},
	{
		name: "unshare", group: groupSystem, makes: true,
		summary: "Run a command where the files of containers are yours", usage: "[COMMAND [ARG...]]",
		examples: []string{"rl unshare", "rl unshare rm -r ./files-of-another-id"},
		new:      func() any { return new(unshareCmd) },
	},
	{
		name: "completion", group: groupSystem,
		summary: "Print a script that completes command lines in your shell", usage: "bash|zsh|fish",
		examples: []string{"source <(rl completion bash)", "rl completion fish >~/.config/fish/completions/rl.fish"},
		new:      func() any { return new(completionCmd) },
	},
}

type versionCmd struct {
	Format string `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.Server.Version}}'."`
	Short  bool   `help:"Print one line."`
}

// versionReport has Docker's two halves, which are one program here.
type versionReport struct {
	Client clientVersion
	Server serverVersion
}

// commonVersion is in both halves. APIVersion is that of Docker whose command
// line and templates are the model: there is no such API.
type commonVersion struct {
	Version    string
	APIVersion string `json:"ApiVersion"`
	GitCommit  string
	GoVersion  string
	Os         string
	Arch       string
	BuildTime  string
}

type clientVersion struct {
	commonVersion
	DefaultAPIVersion string `json:"DefaultAPIVersion"`
	Context           string
	Platform          struct{ Name string }
}

type serverVersion struct {
	commonVersion
	MinAPIVersion string
	KernelVersion string
	Experimental  bool
	Platform      struct{ Name string }
	Components    []versionComponent
}

type versionComponent struct {
	Name    string
	Version string
	Details map[string]string
}

// dockerAPI is the version of Docker's API whose answers have the fields that
// the ones here have.
const dockerAPI = "1.47"

func newVersion() versionReport {
	common := commonVersion{
		Version: version, APIVersion: dockerAPI, GitCommit: commit, GoVersion: runtime.Version(), Os: runtime.GOOS,
		Arch: runtime.GOARCH,
	}
	r := versionReport{
		clientVersion{commonVersion: common, DefaultAPIVersion: dockerAPI, Context: "default"},
		serverVersion{commonVersion: common, MinAPIVersion: dockerAPI, KernelVersion: kernel()},
	}
	r.Client.Platform.Name, r.Server.Platform.Name = "rl", "rl"
	r.Server.Components = []versionComponent{{Name: "rl", Version: version, Details: map[string]string{
		"ApiVersion": dockerAPI, "Arch": runtime.GOARCH, "GitCommit": commit, "GoVersion": runtime.Version(),
		"KernelVersion": kernel(), "Os": runtime.GOOS,
	}}}
	return r
}

func (c *versionCmd) Run(a *app) error {
	switch {
	case c.Short:
		a.printf("rl version %s\n", version)
	case c.Format != "":
		return format.Values(a.stdout, c.Format, []versionReport{newVersion()})
	default:
		r := newVersion()
		a.printf("Client: rl\n")
		a.printVersion(" ", r.Client.commonVersion)
		a.printf(" Context:           %s\n\nServer: rl\n Engine:\n", r.Client.Context)
		a.printVersion("  ", r.Server.commonVersion)
		a.printf("  Kernel version:   %s\n", r.Server.KernelVersion)
	}
	return nil
}

// printVersion prints what both halves have, indented and aligned as Docker does.
func (a *app) printVersion(indent string, v commonVersion) {
	for _, row := range [][2]string{
		{"Version:", v.Version}, {"API version:", v.APIVersion}, {"Go version:", v.GoVersion},
		{"Git commit:", orUnknown(v.GitCommit)}, {"OS/Arch:", v.Os + "/" + v.Arch},
	} {
		a.printf("%s%-*s%s\n", indent, 20-len(indent), row[0], row[1])
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

type unshareCmd struct {
	Args []string `arg:"" passthrough:"" optional:"" name:"command"`
}

// Run ends as the command does, with a shell's codes for one that cannot be
// started.
func (c *unshareCmd) Run(a *app) error {
	args := c.Args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		args = []string{orShell(os.Getenv("SHELL"))}
	}
	path, err := exec.LookPath(args[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if err != nil {
		code := 127
		if errors.Is(err, os.ErrPermission) {
			code = 126
		}
		return &exitError{code, errors.New(strings.TrimPrefix(err.Error(), "exec: "))}
	}
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	defer ns.Close()
	runtime.LockOSThread() // the command dies with the thread that started it
	child, err := ns.Start(userns.Command{
		Path: path, Args: args, Env: storageVars(a.places.UID),
		Files: []*os.File{a.stdin, a.stdout, a.stderr}, Mounts: true, DeathSignal: unix.SIGTERM,
	})
	if err != nil {
		return err
	}
	forward(child)
	return exitStatus(child)
}

func orShell(s string) string {
	if s == "" {
		return "/bin/sh"
	}
	return s
}
