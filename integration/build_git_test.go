package integration

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// repository makes a bare Git repository with branches and a tag, and returns where
// it is. One branch has the repository itself, at its first commit, as a submodule.
func repository(t testing.TB, e *Env) (bare, commit string) {
	t.Helper()
	Need(t, Program("git", "git"))
	dir := t.TempDir()
	git := func(in string, args ...string) string {
		t.Helper()
		c := e.Tool("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"}, args...)...)
		return c.In(in).Set("GIT_CONFIG_NOSYSTEM=1").Run(t).OK(t)
	}
	work := e.context(t, map[string]string{"Dockerfile": catFile, "f": "main branch ", "sub/Dockerfile": catFile, "sub/f": "sub folder "})
	e.own(t, dir)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	git(work, "init", "-q")
	if err := os.Symlink("/etc", filepath.Join(work, "out")); err != nil {
		t.Fatal(err)
	}
	git(work, "add", ".")
	git(work, "commit", "-qm", "one")
	commit = git(work, "rev-parse", "HEAD")
	git(work, "tag", "v1")
	git(work, "checkout", "-qb", "feature/x")
	if err := os.WriteFile(filepath.Join(work, "f"), []byte("feature branch "), 0o644); err != nil {
		t.Fatal(err)
	}
	git(work, "commit", "-qam", "two")
	git(work, "checkout", "-qb", "module", "main")
	for name, text := range map[string]string{".gitmodules": "[submodule \"m\"]\npath = m\nurl = ../repo.git\n", "Dockerfile": "FROM alpine:3.20\nCOPY . /c/\nRUN cat /c/m/f\n"} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(work, "add", ".gitmodules", "Dockerfile")
	git(work, "update-index", "--add", "--cacheinfo", "160000,"+commit+",m")
	git(work, "commit", "-qm", "three")
	git(work, "checkout", "-q", "main")
	bare = filepath.Join(work, "served", "repo.git")
	git(work, "clone", "-q", "--bare", ".", bare)
	return bare, commit
}

// overHTTP serves a repository as Git's own server does, and returns its address.
func overHTTP(t testing.TB, bare string) string {
	server := httptest.NewServer(&cgi.Handler{Path: "/usr/bin/git", Args: []string{"http-backend"}, Env: []string{
		"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "GIT_CONFIG_KEY_1=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1=false",
	}})
	t.Cleanup(server.Close)
	return server.URL + "/repo.git"
}

func TestBuildContextFromGit(t *testing.T) {
	e := AsUser(t)
	bare, commit := repository(t, e)
	url := overHTTP(t, bare)
	for ref, says := range map[string]string{
		"": "main branch ", "#main": "main branch ", "#feature/x": "feature branch ", "#v1": "main branch ", "#:sub": "sub folder ",
		"#main:sub": "sub folder ", "#" + commit: "main branch ", "?branch=feature/x": "feature branch ",
		"?ref=main&subdir=sub": "sub folder ", "#module": "main branch ", "?checksum=" + commit[:12]: "main branch ",
	} {
		r := e.Run(t, "build", "--no-cache", "--progress=plain", url+ref).Exits(t, 0).Says(t, says)
		if strings.Contains(r.Err, " .git\n") {
			t.Errorf("%s: .git is in the context", ref)
		}
	}
	e.Run(t, "build", "--no-cache", "--progress=plain", "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", url).Exits(t, 0)
	made := strings.TrimSpace(e.Tool("git", "-c", "safe.directory=*", "--git-dir", bare, "show", "-s", "--format=%ct", commit).Run(t).OK(t))
	e.Run(t, "build", "-t", "dated", "--build-arg", "SOURCE_DATE_EPOCH=context", url+"#"+commit).Exits(t, 0)
	seconds, err := strconv.ParseInt(made, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	e.Want(t, time.Unix(seconds, 0).UTC().Format(time.RFC3339), "image", "inspect", "-f", "{{.Created}}", "dated")
	for ref, says := range map[string]string{
		"#none": "none", "#main:none": "not found", "#main:out": "not found", "#--upload-pack=x": "not", "?checksum=00000000": "is at commit",
	} {
		e.Run(t, "build", url+ref).Exits(t, 125).Says(t, says)
	}
	e.Run(t, "build", "file:///etc/repo.git").Exits(t, 125)
	once := e.context(t, map[string]string{"Dockerfile": fmt.Sprintf("FROM alpine:3.20\nADD %s#feature/x /r\n", url)})
	e.Run(t, "build", once).Exits(t, 0)
	e.Run(t, "build", "--progress=plain", once).Exits(t, 0).Says(t, "CACHED")
	add := e.context(t, map[string]string{"Dockerfile": fmt.Sprintf("FROM alpine:3.20\nADD %s#feature/x /r\nADD --keep-git-dir=true --checksum=%s %s#main /k/\nRUN cat /r/f /k/f; ls -a /r /k; stat -c %%u:%%g /r/f\n", url, commit, url)})
	r := e.Run(t, "build", "--progress=plain", add).Exits(t, 0).Says(t, "feature branch main branch ", "0:0")
	if n := strings.Count(r.Err, " .git\n"); n != 1 {
		t.Errorf(".git is there %d times: %s", n, r)
	}
	e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "FROM scratch\nADD --checksum=0000000 " + url + " /\n"})).Exits(t, 1).Says(t, "is at commit")
}

// overSSH serves a repository to whoever has a key, and returns its address and the
// line of known_hosts for the server.
func overSSH(t testing.TB, bare, keyFile string) (url, known string) {
	t.Helper()
	text, err := os.ReadFile(keyFile + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	allowed, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, errors.New("not this key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveGit(c, config, bare)
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "ssh://git@" + l.Addr().String() + "/repo.git", "[127.0.0.1]:" + port + " " + string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

// serveGit sends a repository to one client, whatever it calls it.
func serveGit(c net.Conn, config *ssh.ServerConfig, bare string) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec" || r.Type == "env", nil)
			if r.Type != "exec" {
				continue
			}
			cmd := exec.Command("git", "-c", "safe.directory=*", "upload-pack", bare)
			cmd.Stdin, cmd.Stdout = channel, channel
			status := [4]byte{}
			if cmd.Run() != nil {
				status[3] = 1
			}
			_, _ = channel.SendRequest("exit-status", false, status[:])
			channel.Close()
		}
	}
}

// Git over SSH takes the key of --ssh default, and only servers that are known.
func TestBuildContextFromGitOverSSH(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		Need(t, Program("ssh", "openssh-client"))
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		socket, key := e.agentOf(t)
		bare, _ := repository(t, e)
		url, known := overSSH(t, bare, key)
		e.Run(t, "build", "--ssh", "default="+key, url).Exits(t, 125).Says(t, "Host key verification failed")
		hosts := filepath.Join(e.Home, ".ssh", "known_hosts")
		if err := os.MkdirAll(filepath.Dir(hosts), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(hosts, []byte(known), 0o600); err != nil {
			t.Fatal(err)
		}
		e.own(t, hosts)
		e.own(t, filepath.Dir(hosts))
		e.Run(t, "build", url).Exits(t, 125).Says(t, "Permission denied")
		e.Run(t, "build", "--no-cache", "--progress=plain", "--ssh", "default="+key, url+"#feature/x").Exits(t, 0).Says(t, "feature branch ")
		module := e.Cmd("build", "--no-cache", "--progress=plain", "--ssh", "default", url+"#module").Set("SSH_AUTH_SOCK=" + socket)
		module.Run(t).Exits(t, 0).Says(t, "main branch ")
		add := e.context(t, map[string]string{"Dockerfile": "FROM named AS a\nFROM alpine:3.20\nADD " + url + "#v1 /r\nCOPY --from=a /sub/f /f\nRUN cat /r/f /f\n"})
		e.Run(t, "build", "--progress=plain", "--ssh", "default="+key, "--build-context", "named="+url, add).Exits(t, 0).Says(t, "main branch sub folder ")
		if left, err := filepath.Glob(filepath.Join(e.Data(), "tmp", "build-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	})
}
