package integration

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a container sees of each flag, and that inspect shows it.
func TestNetworkFilesFlags(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, network := range []string{"bridge", "none", "host"} {
			t.Run(network, func(t *testing.T) {
				name := e.Name(t)
				got := e.OK(t, "run", "--name", name, "--network", network, "--add-host", "db:10.9.8.7", "--add-host", "six=2001:db8::7",
					"--dns", "192.0.2.53", "--dns-search", "corp.example", "--dns-option", "ndots:3", Image, "cat", "/etc/hosts", "/etc/resolv.conf")
				for _, want := range []string{"10.9.8.7\tdb\n", "2001:db8::7\tsix\n", "nameserver 192.0.2.53", "search corp.example", "options ndots:3"} {
					if !strings.Contains(got, want) {
						t.Errorf("no %q in %q", want, got)
					}
				}
				if n := strings.Count(got, "nameserver"); n != 1 {
					t.Errorf("%d name servers in %q", n, got)
				}
				e.Want(t, `[db:10.9.8.7 six=2001:db8::7] [192.0.2.53] [corp.example] [ndots:3]`, "inspect", "-f",
					"{{.HostConfig.ExtraHosts}} {{.HostConfig.Dns}} {{.HostConfig.DnsSearch}} {{.HostConfig.DnsOptions}}", name)
			})
		}
		t.Run("no search", func(t *testing.T) {
			if got := e.OK(t, "run", "--rm", "--dns-search", ".", Image, "cat", "/etc/resolv.conf"); strings.Contains(got, "search") {
				t.Error(got)
			}
		})
	})
}

// A container finds itself by its name with the domain, which comes first, and without.
func TestHostsOfADomain(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, flags := range [][]string{{"--hostname", "foo.example.org"}, {"--hostname", "foo", "--domainname", "example.org"}} {
			got := e.OK(t, slices.Concat([]string{"run", "--rm"}, flags, []string{Image, "cat", "/etc/hosts"})...)
			if !strings.Contains(got, "\tfoo.example.org foo\n") && !strings.HasSuffix(got, "\tfoo.example.org foo") {
				t.Errorf("%v: %q", flags, got)
			}
		}
	})
}

// host-gateway is the address by which a container reaches the host.
func TestHostGateway(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		got := e.OK(t, "run", "--rm", "--add-host", "my-host:host-gateway", Image, "sh", "-c",
			`grep -w my-host /etc/hosts | cut -f 1; grep -w host.docker.internal /etc/hosts | cut -f 1`)
		if both := strings.Fields(got); len(both) != 2 || both[0] != both[1] {
			t.Errorf("my-host and host.docker.internal are %q", got)
		}
	})
}

// -P publishes what is exposed and has no port yet.
func TestPublishAll(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, _ := e.serve(t, "published", "-P", "--expose", "80", "--expose", "9000-9001/udp", "-p", "127.0.0.1::81")
		if heard, err := hear("127.0.0.1:" + e.hostPort(t, name)); heard != "published" {
			t.Error(heard, err)
		}
		ports := e.OK(t, "port", name)
		for _, want := range []string{"80/tcp ->", "81/tcp -> 127.0.0.1:", "9000/udp ->", "9001/udp ->"} {
			if !strings.Contains(ports, want) {
				t.Errorf("no %q in %q", want, ports)
			}
		}
		e.Want(t, `true map[80/tcp:{} 81/tcp:{} 9000/udp:{} 9001/udp:{}] {"81/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}`, "inspect", "-f",
			"{{.HostConfig.PublishAllPorts}} {{.Config.ExposedPorts}} {{json .HostConfig.PortBindings}}", name)
	})
}

// --expose alone is a note, which ps shows.
func TestExposeAlone(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--expose", "7000/udp", Image, "sleep", "1000")
		e.Want(t, "7000/udp", "ps", "-f", "name="+name, "--format", "{{.Ports}}")
		e.Want(t, "", "port", name)
	})
}

// --timeout kills, as Podman's does, and not before.
func TestTimeout(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		start := time.Now()
		e.Run(t, "run", "--name", name, "--timeout", "1", Image, "sleep", "1000").Exits(t, 137)
		if took := time.Since(start); took < time.Second {
			t.Errorf("ended after %v", took)
		}
		e.Want(t, "1 exited over its --timeout of 1s", "inspect", "-f", "{{.HostConfig.Timeout}} {{.State.Status}} {{.State.Error}}", name)
		e.OK(t, "run", "--rm", "--timeout", "60", Image, "true")
	})
}

// Modes that share another container's namespaces.
func TestSharedNamespaces(t *testing.T) {
	Need(t, RealImages)
	Each(t, func(t *testing.T, e *Env) {
		first := e.Name(t)
		e.OK(t, "run", "-d", "--name", first, "--hostname", "harbour", "--ipc", "shareable", Image, "sh", "-c",
			"echo shared > /dev/shm/word; exec sleep 4711")
		for _, tt := range []struct{ flag, want, script string }{
			{"--uts", "harbour", "hostname"},
			{"--uts", "harbour harbour", `echo $HOSTNAME $(cat /etc/hostname)`},
			{"--ipc", "shared", "until cat /dev/shm/word 2>/dev/null; do :; done"},
			{"--pid", "found", "pgrep -f 'sleep 4711' >/dev/null && echo found"},
			{"--network", e.OK(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", first), "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'"},
		} {
			e.Want(t, tt.want, "run", "--rm", tt.flag, "container:"+first, Image, "sh", "-c", tt.script)
			e.Run(t, "run", "--rm", tt.flag, "container:no-such-one", Image, "true").Exits(t, 125).Says(t, "no-such-one")
		}
		second := e.Name(t)
		id := e.OK(t, "inspect", "-f", "{{.Id}}", first)
		e.OK(t, "create", "--name", second, "--uts", "container:"+first, "--ipc", "container:"+first, "--pid", "container:"+first, Image, "true")
		e.Want(t, strings.Repeat("container:"+id+" ", 3), "inspect", "-f", "{{.HostConfig.UTSMode}} {{.HostConfig.IpcMode}} {{.HostConfig.PidMode}} ", second)
		e.Run(t, "run", "--rm", "--uts", "container:"+first, "--hostname", "x", Image, "true").Exits(t, 125).Says(t, "--hostname")
	})
}

func TestHostNamespaces(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		e.Want(t, host, "run", "--rm", "--uts", "host", Image, "hostname")
		own := func(flags ...string) string {
			return e.OK(t, append(append([]string{"run", "--rm"}, flags...), Image, "sh", "-c", "for n in pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done")...)
		}
		private, shared := strings.Fields(own()), strings.Fields(own("--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host", "--network", "host"))
		for i, kind := range []string{"pid", "ipc", "uts", "cgroup", "net"} {
			at, err := os.Readlink("/proc/self/ns/" + kind)
			if err != nil {
				t.Fatal(err)
			}
			if shared[i] != at || private[i] == at {
				t.Errorf("%s: host %s, with the flag %s, without %s", kind, at, shared[i], private[i])
			}
		}
	})
}

// -a chooses the streams; the others go to the log only.
func TestAttachFlag(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		r := e.Run(t, "run", "--name", name, "-a", "stderr", Image, "sh", "-c", "echo out; echo err >&2").Exits(t, 0)
		if r.Out != "" || r.Err != "err\n" {
			t.Error(r)
		}
		if logs := e.Run(t, "logs", name).Exits(t, 0); logs.Out != "out\n" {
			t.Error(logs)
		}
		e.Want(t, "false false true false", "inspect", "-f",
			"{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}", name)
		r = e.Cmd("run", "--rm", "-i", "-a", "stdin", "-a", "stdout", Image, "sh", "-c", "cat; echo err >&2").Input("in").Run(t)
		if r.Out != "in" || r.Err != "" {
			t.Error(r)
		}
		second := e.Name(t)
		e.OK(t, "create", "--name", second, "-i", "-a", "stdin", Image, "cat")
		e.Want(t, "true false true", "inspect", "-f", "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.StdinOnce}}", second)
	})
}

// Files of variables and labels by Docker's rules.
func TestEnvAndLabelFiles(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir, name := e.Folder(t), e.Name(t)
		write := func(file, text string) string {
			path := filepath.Join(dir, file)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return path
		}
		env := write("env", "# comment\n\nA=1\n  B=two words  \nQUOTED=\"kept\"\nC=a=b#c\nPASSED\nNOT_SET_HERE\nD=file\n")
		labels := write("labels", "# comment\none=1\nbare\ntwo=a b\n")
		r := e.Cmd("run", "--name", name, "--env-file", env, "-e", "D=flag", "--label-file", labels, "-l", "two=flag", Image,
			"sh", "-c", `echo "$A|$B|$QUOTED|$C|$PASSED|${NOT_SET_HERE-unset}|$D"`).Set("PASSED=on").Run(t)
		if got := r.OK(t); got != `1|two words  |"kept"|a=b#c|on|unset|flag` {
			t.Errorf("got %q", got)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(e.OK(t, "inspect", "-f", "{{json .Config.Labels}}", name)), &got); err != nil {
			t.Fatal(err)
		}
		if got["one"] != "1" || got["two"] != "flag" || got["bare"] != "" || len(got) != 3 {
			t.Errorf("labels %v", got)
		}
		r = e.Tool("sh", "-c", `echo A=piped | $D run --rm --env-file /dev/stdin $I sh -c 'echo $A'`).Set("D=" + e.Prog).Set("I=" + Image).Run(t)
		if got := r.OK(t); got != "piped" {
			t.Errorf("got %q", got)
		}
		e.Run(t, "run", "--rm", "--env-file", write("bad", "A B=1\n"), Image, "true").Exits(t, 125).Says(t, "line 1", "whitespace")
		e.Run(t, "run", "--rm", "--env-file", write("binary", "A=\xff\xfe\n"), Image, "true").Exits(t, 125).Says(t, "line 1", "UTF-8")
		e.Run(t, "run", "--rm", "--label-file", filepath.Join(dir, "none"), Image, "true").Exits(t, 125).Says(t, "none")
	})
}

// What stop does is decided when the container is made.
func TestStopFlags(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--stop-signal", "USR1", "--stop-timeout", "50", Image, "sh", "-c",
			"trap 'echo asked; exit 9' USR1; echo ready; while :; do sleep 0.1; done")
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "ready\n")
		e.Want(t, "USR1 50", "inspect", "-f", "{{.Config.StopSignal}} {{.Config.StopTimeout}}", name)
		e.OK(t, "stop", name)
		e.Want(t, "9", "inspect", "-f", "{{.State.ExitCode}}", name)
	})
}

// Each form of --security-opt, by what the kernel says of the process.
func TestSecurityOptFlags(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		status := func(field string, flags ...string) string {
			args := append(append([]string{"run", "--rm"}, flags...), Image, "sed", "-n", "s/^"+field+":[[:space:]]*//p", "/proc/self/status")
			return e.OK(t, args...)
		}
		for _, tt := range []struct{ option, field, want string }{
			{"no-new-privileges", "NoNewPrivs", "1"}, {"no-new-privileges=false", "NoNewPrivs", "0"},
			{"seccomp=unconfined", "Seccomp", "0"}, {"seccomp=builtin", "Seccomp", "2"},
		} {
			if got := status(tt.field, "--security-opt", tt.option); got != tt.want {
				t.Errorf("%s: %s is %s", tt.option, tt.field, got)
			}
		}
		profile := func(flag string) string {
			return "seccomp=" + e.File(t, "profile.json", `{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_`+flag+
				`"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}`)
		}
		e.Run(t, "run", "--rm", "--security-opt", profile("LOG"), Image, "mkdir", "/new").Exits(t, 1).Says(t, "not permitted")
		e.Run(t, "run", "--rm", "--security-opt", profile("WAIT_KILLABLE_RECV"), Image, "true").Exits(t, 125).Says(t, "WAIT_KILLABLE_RECV", "not supported")
		e.Run(t, "run", "--rm", "--security-opt", "label=disable", Image, "true").Exits(t, 0).Says(t, "label=disable")
		e.Run(t, "run", "--rm", "--security-opt", "apparmor=mine", Image, "true").Exits(t, 125).Says(t, "apparmor")
		mounted := "grep -c ' /proc/sys ' /proc/self/mountinfo || true"
		e.Want(t, "1", "run", "--rm", Image, "sh", "-c", mounted)
		e.Want(t, "0", "run", "--rm", "--security-opt", "systempaths=unconfined", Image, "sh", "-c", mounted)
	})
}

// Parameters of the container's own namespaces.
func TestSysctl(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Want(t, "250\n32000", "run", "--name", name, "--sysctl", "net.core.somaxconn=250", "--sysctl", "kernel.msgmni=32000", Image,
			"cat", "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/msgmni")
		e.Want(t, "map[kernel.msgmni:32000 net.core.somaxconn:250]", "inspect", "-f", "{{.HostConfig.Sysctls}}", name)
		e.Run(t, "run", "--rm", "--network", "host", "--sysctl", "net.core.somaxconn=250", Image, "true").Exits(t, 125).Says(t, "net.core.somaxconn")
	})
}

// A folder instead of an image: written to as it is, or below a throw-away copy.
func TestRootfs(t *testing.T) {
	Need(t, Busybox)
	rootfs, err := BusyboxRootfs()
	if err != nil {
		t.Fatal(err)
	}
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		if e.Account.UID == 0 {
			// Root's containers are another user, who may not enter root's own folders.
			e.Run(t, "run", "--rm", "--rootfs", dir, "true").Exits(t, 125).Says(t, dir)
			e.Tool("sh", "-c", "mkdir -m 700 closed && mkdir closed/root").In(dir).Run(t).OK(t)
			e.Run(t, "run", "--rm", "--rootfs", dir+"/closed/root", "true").Exits(t, 125).Says(t, dir, "another user")
			if dir, err = os.MkdirTemp("/var/tmp", "rlroot"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			e.Tool("chmod", "755", dir).Run(t).OK(t)
		}
		e.Tool("tar", "-xf", "-", "--no-same-owner", "-C", dir).Input(string(rootfs)).Run(t).OK(t)
		if e.Account.UID == 0 {
			e.Run(t, "run", "--rm", "--rootfs", dir, "true").Exits(t, 125).Says(t, dir)
			e.Tool("sh", "-c", "mkdir -m 700 closed && mkdir closed/root").In(dir).Run(t).OK(t)
			e.Run(t, "run", "--rm", "--rootfs", dir+"/closed/root", "true").Exits(t, 125).Says(t, dir, "another user")
			owner := strings.Fields(e.OK(t, "unshare", "cat", "/proc/self/uid_map"))
			e.Tool("chown", "-R", owner[1], dir).Run(t).OK(t)
			e.Tool("chgrp", "-R", strings.Fields(e.OK(t, "unshare", "cat", "/proc/self/gid_map"))[1], dir).Run(t).OK(t)
		}
		file := filepath.Join(dir, "tmp", "new")
		e.Want(t, "root\ncopy", "run", "--rm", "--rootfs", dir+":O", "sh", "-c", "id -un; echo copy > /tmp/new; cat /tmp/new")
		if _, err := os.Lstat(file); !os.IsNotExist(err) {
			t.Errorf("%s was written to through the copy: %v", dir, err)
		}
		e.OK(t, "run", "--rm", "--rootfs", dir, "sh", "-c", "echo itself > /tmp/new")
		if text, err := os.ReadFile(file); err != nil || string(text) != "itself\n" {
			t.Errorf("%q, %v", text, err)
		}

		name := e.Name(t)
		r := e.Cmd("run", "--name", name, "--rootfs", filepath.Base(dir)+":O", "sh", "-c", "ls /mark || touch /mark").In(filepath.Dir(dir)).Run(t)
		r.Exits(t, 0)
		if again := e.Run(t, "start", "-a", name).Exits(t, 0); again.Out != "" {
			t.Errorf("the copy was kept from one start to the next: %s", again)
		}
		e.Want(t, dir+":O []", "inspect", "-f", "{{.Config.Image}} [{{.Image}}]", name)
		e.Want(t, dir+":O", "ps", "-a", "-f", "name="+name, "--no-trunc", "--format", "{{.Image}}")
		e.OK(t, "rm", name)

		plain := e.Name(t)
		e.OK(t, "run", "--name", plain, "--rootfs", dir, "true")
		e.Cmd("cp", "-", plain+":/tmp").Input(string(singleFile(t, "copied", "by cp"))).Run(t).OK(t)
		if text, err := os.ReadFile(filepath.Join(dir, "tmp", "copied")); err != nil || string(text) != "by cp" {
			t.Errorf("cp into the folder: %q, %v", text, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "bin", "sh")); err != nil {
			t.Errorf("rm removed more than the container: %v", err)
		}
		e.Run(t, "run", "--rm", "--rootfs", dir+":rw", "true").Exits(t, 125).Says(t, "only O")
		e.Run(t, "run", "--rm", "--rootfs", dir+"/no/such", "true").Exits(t, 125).Says(t, "no such folder")
		e.Run(t, "run", "--rm", "--rootfs", dir+"/etc/passwd", "true").Exits(t, 125).Says(t, "not a folder")
		e.Run(t, "run", "--rm", "--rootfs", dir).Exits(t, 125)
	})
}

// singleFile is a tar archive of one file.
func singleFile(t *testing.T, name, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := writeEntry(w, tar.Header{Name: name, Mode: 0o644}, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
