package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sameAsPodman are scripts for a shell in which D is rl or podman and I the
// image. What they print and how they end is the same for both, unless
// docs/podman.md says why not. Containers are without a network, as Podman's own
// wants a program that need not be there.
var sameAsPodman = []struct{ name, script string }{
	{"run: output", `$D run --rm --network none $I echo hello world`},
	{"run: exit code of the command", `$D run --rm --network none $I sh -c 'exit 3'`},
	{"run: code of a signal", `$D run --rm --network none $I sh -c 'kill -9 $$'`},
	{"run: command not found", `$D run --rm --network none $I no-such-command`},
	{"run: not executable", `$D run --rm --network none $I /etc/passwd`},
	{"run: unknown flag", `$D run --no-such-flag $I`},
	{"run: no image", `$D run --pull never no-such-image true`},
	{"run: stdin", `echo typed | $D run --rm -i --network none $I cat`},
	{"run: stderr apart", `$D run --rm --network none $I sh -c 'echo out; echo err >&2' 2>/dev/null`},
	{"run: -e", `A=passed $D run --rm --network none -e A -e B=2 -e C= $I sh -c 'echo $A $B ${C-unset}'; echo`},
	{"run: --env-file", `printf 'A=1\n# no\nB=two words\n' > $T/env; $D run --rm --network none --env-file $T/env $I sh -c 'echo "$A $B"'`},
	{"run: PATH and HOME", `$D run --rm --network none $I sh -c 'echo $PATH $HOME'`},
	{"run: -w", `$D run --rm --network none -w /tmp $I pwd; $D run --rm --network none -w /new/folder $I pwd`},
	{"run: -u", `for u in 0 7 daemon 5:6 root:daemon; do $D run --rm --network none -u $u $I sh -c 'id -u; id -g'; done`},
	{"run: unknown user", `$D run --rm --network none -u nobody-like-that $I true`},
	{"run: -h", `$D run --rm --network none -h named $I sh -c 'hostname; cat /etc/hostname'`},
	{"run: --entrypoint", `$D run --rm --network none --entrypoint echo $I with words; $D run --rm --network none --entrypoint '' $I echo none`},
	{"run: --read-only", `$D run --rm --network none --read-only $I touch /x 2>/dev/null; echo $?`},
	{"run: --tmpfs", `$D run --rm --network none --tmpfs /t:size=1m $I sh -c 'df -k /t | tail -1 | awk "{print \$2}"'`},
	{"run: -v", `mkdir -p $T/v; echo host > $T/v/f; $D run --rm --network none -v $T/v:/v:ro $I sh -c 'cat /v/f; touch /v/x 2>/dev/null; echo $?'`},
	{"run: --mount", `$D run --rm --network none --mount type=bind,src=$T/v,dst=/v,readonly $I cat /v/f`},
	{"run: missing source of -v", `$D run --rm --network none -v $T/missing:/m $I ls /m; echo $?`},
	{"run: --ulimit", `$D run --rm --network none --ulimit nofile=77:88 $I sh -c 'ulimit -Sn; ulimit -Hn'`},
	{"run: capabilities", `$D run --rm --network none $I sed -n s/^CapEff:.//p /proc/self/status`},
	{"run: --cap-drop", `$D run --rm --network none --cap-drop all --cap-add chown $I sed -n s/^CapEff:.//p /proc/self/status`},
	{"run: --group-add", `$D run --rm --network none --group-add 1234 $I id -G | tr ' ' '\n' | grep 1234`},
	{"run: --shm-size", `$D run --rm --network none --shm-size 2m $I df -k /dev/shm | awk 'END{print $2}'`},
	{"run: devices", `$D run --rm --network none $I ls /dev`},
	{"run: --cidfile", `rm -f $T/cid; $D run --network none --cidfile $T/cid $I true; $D rm $(cat $T/cid) >/dev/null; wc -c < $T/cid`},
	{"run: umask and limits", `$D run --rm --network none $I umask`},
	{"create, start", `$D create --name c1 --network none $I sh -c 'echo ran; exit 4' >/dev/null; $D start -a c1; echo $?; $D start -a c1; echo $?`},
	{"start: names", `$D start c1`},
	{"wait", `$D wait c1`},
	{"ps: formats", `$D ps -a --format '{{.Names}} {{.Image}} {{.Command}}' --filter name=c1`},
	{"ps: status", `$D ps -a --format '{{.Status}}' --filter name=c1 | cut -d' ' -f1,2`},
	{"ps: filters", `for f in status=exited status=running exited=4 label=none name=none; do echo $f $($D ps -a --filter $f --filter name=c1 --format '{{.Names}}'); done`},
	{"ps: unknown filter", `$D ps --filter colour=red`},
	{"inspect: state", `$D inspect -f '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}' c1`},
	{"inspect: configuration", `$D inspect -f '{{.Config.Cmd}} {{.Path}} {{.Args}} {{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}}' c1`},
	{"inspect: name", `$D inspect -f '{{.Name}}' c1`},
	{"inspect: json and range", `$D inspect -f '{{json .Config.Cmd}}{{range .Config.Cmd}} {{.}}{{end}}' c1`},
	{"inspect: unknown", `$D inspect no-such-thing`},
	{"inspect: wrong field", `$D inspect -f '{{.Nope}}' c1`},
	{"logs", `$D logs c1; $D logs --tail 1 c1`},
	{"logs: unknown", `$D logs no-such-container`},
	{"rm", `$D rm c1; $D rm c1`},
	{"run -d", `$D run -d --name c2 --network none --label a=b -v $T/v:/v $I sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' >/dev/null; echo $?`},
	{"exec", `$D exec c2 echo in; $D exec c2 sh -c 'exit 6'`},
	{"exec: -e -w -u", `$D exec -e A=1 -w /tmp -u daemon c2 sh -c 'echo $A $(pwd) $(id -un)'`},
	{"exec: stdin", `echo typed | $D exec -i c2 cat`},
	{"exec: not found", `$D exec c2 no-such-command`},
	{"exec: missing folder", `$D exec -w /no/such c2 true`},
	{"exec: unknown container", `$D exec no-such-container true`},
	{"top", `$D top c2 user,pid | head -1 | tr -s ' \t' ' '`},
	{"cp: into and out", `echo text > $T/one; $D cp $T/one c2:/tmp/one; $D exec c2 cat /tmp/one; $D cp c2:/tmp/one $T/two; cat $T/two`},
	{"cp: folders", `mkdir -p $T/d/e; echo x > $T/d/e/f; $D cp $T/d c2:/tmp/new; $D exec c2 find /tmp/new -type f; $D cp $T/d c2:/tmp/new; $D exec c2 sh -c 'find /tmp/new -type f | sort'`},
	{"cp: tar", `$D cp c2:/tmp/one - | tar -t`},
	{"cp: missing", `$D cp c2:/no/such $T/x; echo $?`},
	{"diff", `$D exec c2 sh -c 'echo > /added; rm /etc/motd; echo >> /etc/profile'; $D diff c2 | grep -v tmp | sort`},
	{"commit", `$D commit -c 'CMD echo committed' -c 'ENV X=y' c2 made >/dev/null; echo $?`},
	{"run: what was committed", `$D run --rm --network none made; $D run --rm --network none made sh -c 'ls /added; echo $X'`},
	{"pause", `$D pause c2 >/dev/null && $D ps --filter name=c2 --format '{{.Status}}' | grep -o Paused; $D unpause c2 >/dev/null; $D inspect -f '{{.State.Paused}}' c2`},
	{"rename", `$D rename c2 c3; $D inspect -f '{{.State.Running}}' c3; $D rename c3 c2`},
	{"kill: signal", `$D kill -s TERM c2; $D wait c2`},
	{"kill: stopped", `$D kill c2`},
	{"kill: unknown signal", `$D kill -s NOPE c2`},
	{"restart", `$D restart -t 0 c2 >/dev/null; $D inspect -f '{{.State.Status}}' c2`},
	{"stop", `$D stop c2; $D inspect -f '{{.State.ExitCode}} {{.State.Status}}' c2; $D stop c2; echo $?`},
	{"rm: running", `$D start c2 >/dev/null; $D rm c2; echo $?`},
	{"rm -f", `$D rm -f -t 0 c2 2>/dev/null || $D rm -f c2; $D rm -f c2; echo $?`},
	{"volumes", `$D volume create v1; $D run --rm --network none -v v1:/data $I sh -c 'echo kept > /data/f'; $D run --rm --network none -v v1:/data $I cat /data/f; $D volume ls -q; $D volume rm v1; $D volume rm v1; echo $?`},
	{"volumes: filled from the image", `$D run --rm --network none -v v2:/etc/apk $I ls /etc/apk/world; $D volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}}' v2; $D volume rm v2 >/dev/null`},
	{"images", `$D images --format '{{.Repository}}:{{.Tag}}' | grep -c rltest; $D images -q | sort -u | wc -l`},
	{"rmi", `$D rmi made >/dev/null; echo $?; $D rmi made; echo $?`},
	{"export", `$D create --name c4 --network none $I true >/dev/null; $D export c4 | tar -t | grep -x bin/sh; $D rm c4 >/dev/null; echo $?`},
	{"tag", `$D tag $I other:1; $D tag other:1 one.example:5000/x/y; $D image inspect -f '{{range .RepoTags}}{{println .}}{{end}}' $I | grep -c 'other:1$\|one.example:5000/x/y:latest'`},
	{"images: by name", `$D images --format '{{.Repository}} {{.Tag}}' one.example:5000/x/y`},
	{"rmi: several names", `$D rmi $($D images -q other:1) >/dev/null; echo $?; $D rmi other:1 one.example:5000/x/y >/dev/null; echo $?`},
	{"rmi: used by a container", `$D tag $I kept:1; $D create --name c5 --network none kept:1 true >/dev/null; $D rmi kept:1 >/dev/null; echo $?; $D rm c5 >/dev/null; echo $?`},
	{"history: ids", `$D history -q --no-trunc $I | grep -c ^sha256:`},
	{"import", `(cd $T; mkdir -p r/bin; echo text > r/f; tar -cC r . | $D import -c 'CMD ["/x"]' -c 'LABEL l=v' - imported:1 >/dev/null); $D image inspect -f '{{.Config.Cmd}} {{.Config.Labels.l}}' imported:1; $D rmi imported:1 >/dev/null; echo $?`},
	{"save, load", `$D tag $I saved:1; $D save -o $T/saved.tar saved:1; $D rmi saved:1 >/dev/null; $D load -i $T/saved.tar | grep -c saved:1; $D rmi saved:1 >/dev/null; echo $?`},
	{"volume ls: filters", `$D volume create --label a=b v3; $D volume create v4; $D volume ls -q -f label=a=b; $D volume ls -q -f name=v4; $D volume ls -q -f dangling=true | sort; $D volume inspect -f '{{.Labels.a}}' v3`},
	{"volume rm: several", `$D volume rm v3 no-such v4 2>/dev/null | sort; $D volume ls -q`},
	{"volume: used", `$D create --name c6 --network none -v v5:/v $I true >/dev/null; $D volume rm v5 >/dev/null; $D volume ls -q; $D rm c6 >/dev/null; $D volume rm v5`},
	{"container prune", `$D create --label p=1 --name c7 --network none $I true >/dev/null; $D create --name c8 --network none $I true >/dev/null; $D container prune -f --filter label=p=1 >/dev/null; $D ps -a --format '{{.Names}}' | sort; $D rm c8`},
	{"ps: last", `$D create --name c9 --network none $I true >/dev/null; $D ps -lq | wc -l; $D ps -n 1 --format '{{.Names}}'; $D ps -aq --no-trunc | wc -c`},
	{"rm: several", `$D rm c9 no-such 2>/dev/null; $D ps -aq`},
	{"attach: stopped", `$D create --name c10 --network none $I true >/dev/null; $D attach c10; $D rm c10`},
	{"logs: streams", `$D run --name c11 --network none $I sh -c 'echo out; echo err >&2; echo last'; $D logs c11 2>/dev/null; $D logs -t c11 2>/dev/null | grep -c ^20; $D rm c11`},
	{"port: none", `$D create --name c12 --network none $I true >/dev/null; $D port c12; echo $?; $D rm c12`},
	{"rename: taken", `$D create --name c13 --network none $I true >/dev/null; $D create --name c14 --network none $I true >/dev/null; $D rename c13 c14 && echo renamed; $D rm c13 c14 | sort`},
	{"update: unknown", `$D update --memory 64m no-such`},
	{"unpause: running", `$D create --name c15 --network none $I true >/dev/null; $D unpause c15 && echo done; $D pause c15 && echo done; $D rm c15`},
	{"--version", `$D --version | wc -l`},
	{"unknown command", `$D no-such-command`},
}

// podmanDiffers reads docs/podman.md: the differences, by the script's name.
func podmanDiffers(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/podman.md")
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 && !strings.HasPrefix(cells[1], " What") && !strings.HasPrefix(cells[1], "---") {
			why[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[4])
		}
	}
	return why
}

// The same scripts for rl and podman: what differs is in docs/podman.md, with
// the reason, and what is there differs.
func TestSameAsPodman(t *testing.T) {
	Need(t, Podman)
	ours, theirs := Fresh(t, Ordinary), Fresh(t, Ordinary)
	for _, e := range []*Env{ours, theirs} {
		if os.Geteuid() != 0 {
			break
		}
		var err error
		if e.mounts, err = PureCgroup2(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ours.Preload(); err != nil {
		t.Fatal(err)
	}
	loadPodman(t, ours, theirs)
	Need(t, Requirement{"a podman that runs containers here", func() error {
		if got := script(theirs, "podman", "$D run --rm --network none $I true"); got != "0" {
			return fmt.Errorf("podman run ended with %q ('podman info' may tell why)", got)
		}
		return nil
	}})
	why := podmanDiffers(t)
	for _, s := range sameAsPodman {
		var mine, other string
		var both sync.WaitGroup
		both.Go(func() { mine = script(ours, ours.Prog, s.script) })
		both.Go(func() { other = script(theirs, "podman", s.script) })
		both.Wait()
		for n := 0; n < 5 && mine != other && why[s.name] == "" && repeatable(s.name); n++ {
			// On a busy machine podman loses the output of a short command now and then.
			other = script(theirs, "podman", s.script)
		}
		switch same := mine == other; {
		case same && why[s.name] != "":
			t.Errorf("%s: no difference any more: %q", s.name, mine)
		case !same && why[s.name] == "":
			t.Errorf("%s: %s\nrl:     %q\npodman: %q", s.name, s.script, mine, other)
		}
		delete(why, s.name)
	}
	if len(why) > 0 {
		t.Errorf("docs/podman.md has what nobody tries: %v", why)
	}
}

// loadPodman gives podman the image that rl has.
func loadPodman(t *testing.T, ours, theirs *Env) {
	t.Helper()
	conf := filepath.Join(theirs.Home, ".config", "containers")
	theirs.Tool("mkdir", "-p", conf).Run(t).OK(t)
	for name, text := range map[string]string{
		"storage.conf":    "[storage]\ndriver = \"overlay\"\n",
		"containers.conf": "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
	} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(ours.Home, "image.tar")
	ours.OK(t, "save", "-o", archive, Image)
	image, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	theirs.Tool("podman", "load", "-q").Stdin(image).Run(t).OK(t)
	t.Cleanup(func() { theirs.Tool("podman", "system", "reset", "-f").Run(t) })
}

// repeatable reports whether a script prints the same when it is run again.
func repeatable(name string) bool {
	return strings.HasPrefix(name, "run:") || strings.HasPrefix(name, "exec") || strings.HasPrefix(name, "volumes")
}

// script returns what a script printed and how it ended.
func script(e *Env, program, text string) string {
	place := filepath.Join(e.Home, "scripts")
	r, err := e.Tool("sh", "-c", "mkdir -p $T; "+text).Set("D=" + program).Set("I=" + Image).Set("T=" + place).Do()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s%d", strings.ReplaceAll(r.Out, e.Home, "~"), r.Code)
}
