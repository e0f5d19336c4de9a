package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBindMount(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		e.OK(t, "run", "--rm", "-v", dir+":/data", Image, "sh", "-c", "echo from inside > /data/file")
		got, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil || string(got) != "from inside\n" {
			t.Errorf("the host sees %q, %v", got, err)
		}
	})
}

// What an ordinary user's container root writes belongs to that user.
func TestBindMountOwner(t *testing.T) {
	e := AsUser(t)
	dir := e.Folder(t)
	e.OK(t, "run", "--rm", "-v", dir+":/data", Image, "touch", "/data/file")
	info := e.Tool("stat", "-c", "%u:%g", filepath.Join(dir, "file")).Run(t).OK(t)
	if want := itoa(e.Account.UID) + ":" + itoa(e.Account.GID); info != want {
		t.Errorf("owner %s, want %s", info, want)
	}
}

func TestBindMountReadOnly(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		for _, flag := range [][]string{
			{"-v", dir + ":/data:ro"},
			{"--mount", "type=bind,source=" + dir + ",target=/data,readonly"},
		} {
			args := append(append([]string{"run", "--rm"}, flag...), Image, "touch", "/data/x")
			if r := e.Run(t, args...); r.Code == 0 || !strings.Contains(r.Err, "Read-only") {
				t.Error(r)
			}
		}
	})
}

// A source that is missing is made, with -v; --mount refuses it.
func TestBindSourceMissing(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		made := filepath.Join(dir, "made", "here")
		e.OK(t, "run", "--rm", "-v", made+":/data", Image, "true")
		if info, err := os.Stat(made); err != nil || !info.IsDir() {
			t.Errorf("-v did not make %s: %v", made, err)
		}
		refused := filepath.Join(dir, "refused")
		e.Run(t, "run", "--rm", "--mount", "type=bind,src="+refused+",dst=/data", Image, "true").Exits(t, 125).Says(t, refused)
		if _, err := os.Lstat(refused); err == nil {
			t.Errorf("--mount made %s", refused)
		}
	})
}

func TestBindFile(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		file := e.File(t, "one-file", "content")
		e.Want(t, "content", "run", "--rm", "-v", file+":/etc/one-file:ro", Image, "cat", "/etc/one-file")
	})
}

// A link that a container made must not lead its next start's mounts out of it.
func TestBindTargetLink(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, outside := e.Name(t), e.Folder(t)
		e.OK(t, "run", "--name", name, "-v", e.Folder(t)+":/a/b", Image, "sh", "-c", "mv /a /c && ln -s "+outside+" /a")
		e.Run(t, "start", "-a", name)
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
			t.Errorf("the folder outside has %v, %v", entries, err)
		}
	})
}

// Relative paths and ~ are the shell's business: a plain word is a volume name.
func TestBindRelative(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		e.Cmd("run", "--rm", "-v", "./sub:/data", Image, "touch", "/data/x").In(dir).Run(t).OK(t)
		if _, err := os.Stat(filepath.Join(dir, "sub", "x")); err != nil {
			t.Error(err)
		}
	})
}

// Each key of --mount does what it says, and inspect shows what was said.
func TestMountOptions(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir, name, volume := e.Folder(t), e.Name(t), e.Name(t)
		missing := filepath.Join(dir, "made", "by-mount")
		got := e.OK(t, "run", "--name", name,
			"--mount", "type=bind,src="+dir+",dst=/ro,readonly,bind-recursive=writable,bind-propagation=rslave",
			"--mount", "type=bind,source="+missing+",target=/made,bind-create-src",
			"--mount", "type=volume,source="+volume+",destination=/etc/vol,volume-nocopy,volume-label=a=b",
			"--mount", "type=tmpfs,target=/tmpfs,tmpfs-size=1m,tmpfs-mode=0700",
			"--mount", `"type=bind","src=`+dir+`","dst=/shallow","bind-nonrecursive=true"`,
			Image, "sh", "-c", "touch /ro/x 2>/dev/null || echo ro; stat -c %a /tmpfs; df -k /tmpfs | awk 'END{print $2}'; ls -d /made /shallow; ls /etc/vol | wc -l; touch /shallow/written")
		if got != "ro\n700\n1024\n/made\n/shallow\n0" {
			t.Errorf("got %q", got)
		}
		for _, file := range []string{missing, filepath.Join(dir, "written")} {
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
		e.Want(t, "b", "volume", "inspect", "-f", `{{.Labels.a}}`, volume)
		want := strings.NewReplacer("DIR", dir, "VOLUME", volume).Replace(
			`{"Type":"bind","Source":"DIR","Target":"/ro","ReadOnly":true,"BindOptions":{"Propagation":"rslave","ReadOnlyNonRecursive":true}}
{"Type":"bind","Source":"DIR/made/by-mount","Target":"/made","BindOptions":{"CreateMountpoint":true}}
{"Type":"volume","Source":"VOLUME","Target":"/etc/vol","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"}}}
{"Type":"tmpfs","Target":"/tmpfs","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}}
{"Type":"bind","Source":"DIR","Target":"/shallow","BindOptions":{"NonRecursive":true}}`)
		e.Want(t, want, "inspect", "-f", "{{range $i, $m := .HostConfig.Mounts}}{{if $i}}\n{{end}}{{json $m}}{{end}}", name)
	})
}
