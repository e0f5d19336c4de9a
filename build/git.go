package build

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"github.com/rl-project/rl/internal/tree"
)

// gitCheckout fetches one state of a Git repository with the machine's git: the
// transports, credentials and formats of Git are many, and no library has them
// all. The program reads no configuration but what is said here, so that
// neither hooks nor filters nor other transports are run.
type gitCheckout struct {
	// Dir is an empty folder for it.
	Dir string
	// Keep keeps the folder .git.
	Keep bool
	// Checksum is the beginning of the commit's id, if not "".
	Checksum string
	// Secrets may have GIT_AUTH_TOKEN or GIT_AUTH_HEADER, for HTTP.
	Secrets map[string][]byte
	SSH     sshKeys
	remote  string
	socket  string // of the agent
}

// sshKeys is what it takes to fetch over SSH.
type sshKeys struct {
	// KnownHosts is the file with the keys of servers.
	KnownHosts string
	// Agent, if not nil, has the keys of the person. Without it, an agent that the
	// environment names is asked.
	Agent agentOpener
}

// serveAgent makes a socket of the agent for ssh, which closes all descriptors that
// it was not born with and takes no long path: the folder is named by this process.
func (g *gitCheckout) serveAgent() (done func(), err error) {
	dir, err := os.MkdirTemp(filepath.Dir(g.Dir), "agent-")
	if err != nil {
		return nil, err
	}
	listener, err := listenIn(dir, "s")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.RemoveAll(dir))
	}
	go serveAgent(listener, g.SSH.Agent)
	g.socket = fmt.Sprintf("/proc/%d/fd/%d/s", os.Getpid(), folder.Fd())
	return func() { listener.Close(); folder.Close(); os.RemoveAll(dir) }, nil
}

// gitFound is what was checked out.
type gitFound struct {
	Dir    string // of the files that were asked for
	Commit string
	Made   time.Time // the commit
}

func (g gitCheckout) get(ctx context.Context, name string) (found gitFound, err error) {
	ref, _, err := dfgitutil.ParseGitRef(name)
	if err != nil {
		return found, err
	}
	if ref.IndistinguishableFromLocal {
		ref.Remote = "https://" + ref.Remote
	}
	if err := checkGit(ref); err != nil {
		return found, fmt.Errorf("%q is not the address of a Git repository: %w", name, err)
	}
	if g.remote = ref.Remote; ref.Checksum != "" && g.Checksum == "" {
		g.Checksum = ref.Checksum
	}
	if g.SSH.Agent != nil {
		done, err := g.serveAgent()
		if err != nil {
			return found, err
		}
		defer done()
	}
	g.Keep = g.Keep || ref.KeepGitDir != nil && *ref.KeepGitDir
	if err := g.checkout(ctx, ref); err != nil {
		return found, err
	}
	if err := g.tell(ctx, &found); err != nil {
		return found, err
	}
	if !strings.HasPrefix(found.Commit, g.Checksum) {
		return found, fmt.Errorf("%s is at commit %s, not at %s", name, found.Commit, g.Checksum)
	}
	if !g.Keep {
		if err := os.RemoveAll(filepath.Join(g.Dir, ".git")); err != nil {
			return found, err
		}
	}
	found.Dir, err = folderIn(g.Dir, ref.SubDir)
	return found, err
}

// checkGit refuses what git would take for an option or for a program to run.
func checkGit(ref *dfgitutil.GitRef) error {
	if strings.HasPrefix(ref.Remote, "-") || strings.HasPrefix(ref.Ref, "-") {
		return errors.New("it begins with a dash")
	}
	if strings.Contains(ref.Remote, "::") && !strings.Contains(ref.Remote, "://") {
		return errors.New("it names a remote helper")
	}
	return nil
}

// folderIn is the path of a folder inside another, out of which no link leads.
func folderIn(dir, name string) (string, error) {
	root, err := tree.Open(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	below, err := root.Resolve(name)
	if err != nil {
		return "", err
	}
	if e, err := root.Stat(below); err != nil || !e.IsDir() {
		return "", fmt.Errorf("the folder %s: %w in the repository", name, ErrNotFound)
	}
	return filepath.Join(dir, below), nil
}

// tell asks which commit was checked out.
func (g gitCheckout) tell(ctx context.Context, found *gitFound) error {
	line, err := g.git(ctx, "rev-list", "--timestamp", "--max-count=1", "HEAD")
	if err != nil {
		return err
	}
	var seconds int64
	_, err = fmt.Sscan(line, &seconds, &found.Commit)
	found.Made = time.Unix(seconds, 0).UTC()
	return err
}

// checkout fetches a branch, tag or commit.
func (g gitCheckout) checkout(ctx context.Context, ref *dfgitutil.GitRef) error {
	if _, err := g.git(ctx, "init", "-q", "--template="); err != nil {
		return err
	}
	want := ref.Ref
	if want == "" {
		want = "HEAD"
	}
	at := "FETCH_HEAD"
	if _, err := g.git(ctx, "fetch", "-q", "--depth=1", "--no-tags", "--", g.remote, want); err != nil {
		if strings.Trim(want, "0123456789abcdef") != "" || ctx.Err() != nil {
			return err
		}
		// A commit by its id: not every server gives one that no branch ends with.
		if _, err := g.git(ctx, "fetch", "-q", "--tags", "--", g.remote, "+refs/heads/*:refs/remotes/origin/*"); err != nil {
			return err
		}
		at = want
	}
	if _, err := g.git(ctx, "checkout", "-q", "--detach", at, "--"); err != nil {
		return err
	}
	if ref.Submodules == nil || *ref.Submodules {
		if _, err := os.Lstat(filepath.Join(g.Dir, ".gitmodules")); err == nil {
			if _, err := g.git(ctx, "remote", "add", "origin", g.remote); err != nil {
				return err
			}
			if _, err := g.git(ctx, "submodule", "update", "-q", "--init", "--recursive", "--depth=1"); err != nil {
				return err
			}
		}
	}
	return nil
}

// gitSettings are all of git's configuration.
var gitSettings = [...]string{
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "advice.detachedHead=false", "init.defaultBranch=main", "gc.auto=0",
	"protocol.allow=never", "protocol.http.allow=always", "protocol.https.allow=always", "protocol.git.allow=always", "protocol.ssh.allow=always",
}

// git runs a command of git's in the folder. It ends with this program.
func (g gitCheckout) git(ctx context.Context, args ...string) (string, error) {
	runtime.LockOSThread() // git dies with the thread that started it
	defer runtime.UnlockOSThread()
	var words []string
	for _, setting := range gitSettings {
		words = append(words, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, "git", append(words, args...)...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.Dir, g.environment(), &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	switch {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("git is not installed here: install it, or clone the repository on another machine")
	}
	return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
}

// environment is git's: no configuration of anybody's, no questions.
func (g gitCheckout) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/dev/null", "XDG_CONFIG_HOME=/dev/null", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1",
		"GIT_SSH_COMMAND=ssh -F none -o BatchMode=yes -o UserKnownHostsFile='" + g.SSH.KnownHosts + "'",
	}
	for _, name := range []string{"SSH_AUTH_SOCK", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if g.socket != "" {
		env = append(env, "SSH_AUTH_SOCK="+g.socket) // the last one wins
	}
	header := string(g.Secrets["GIT_AUTH_HEADER"])
	if token := g.Secrets["GIT_AUTH_TOKEN"]; header == "" && token != nil {
		header = "basic " + base64.StdEncoding.EncodeToString(append([]byte("x-access-token:"), token...))
	}
	if u, err := url.Parse(g.remote); header != "" && err == nil && u.Scheme == "https" {
		// In the environment, which others cannot read, and for that server only.
		env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+u.Scheme+"://"+u.Host+"/.extraHeader",
			"GIT_CONFIG_VALUE_0=Authorization: "+header)
	}
	return env
}
