package integration

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What steps left in one cache is found by a build that has none of its own.
func TestBuildCacheElsewhere(t *testing.T) {
	r := StartRegistry(t)
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM alpine:3.20 AS made\nRUN head -c 8 /dev/urandom | od -x >/random; rm /etc/motd; rm -rf /media && mkdir /media && ln /random /hard\n" +
			"FROM alpine:3.20\nCOPY --from=made /random /r/\nCOPY f /\nRUN rm -rf /srv; cat /proc/sys/kernel/random/uuid >/uuid\n"})
		folder := filepath.Join(e.Folder(t), "cache")
		name := r.Addr + "/" + e.Name(t) + itoa(e.Account.UID) + ":cache" // user and root at once
		id := e.built(t, dir, "-t", "elsewhere", "--cache-to", "type=local,mode=max,dest="+folder, "--cache-to", "type=registry,ref="+name+",mode=max")
		for _, from := range []string{"type=local,src=" + folder, "type=registry,ref=" + name, name} {
			e.OK(t, "builder", "prune", "-f")
			if got := e.built(t, dir, "-t", "elsewhere", "--cache-from", from); got != id {
				t.Errorf("from %s it became %s, not %s", from, got, id)
			}
		}
		e.OK(t, "builder", "prune", "-f")
		e.built(t, dir, "-t", "stage", "--target", "made", "--cache-from", name)
		e.Run(t, "run", "--rm", "stage", "ls", "/etc/motd").Exits(t, 1)
		e.Want(t, "/media", "run", "--rm", "stage", "find", "/media")
		e.Want(t, "2", "run", "--rm", "stage", "stat", "-c", "%h", "/hard")
		// mode=min has only the files of the image's own steps. That is enough to make it
		// again, and where more is needed, the stage that has it is done again.
		e.OK(t, "builder", "prune", "-f")
		least := filepath.Join(e.Folder(t), "least")
		e.built(t, dir, "--cache-to", "type=local,dest="+least, "--cache-from", name)
		e.OK(t, "builder", "prune", "-f")
		from := []string{"build", "--progress=plain", "-t", "elsewhere", "--cache-from", "type=local,src=" + least}
		if again := e.Run(t, append(from, dir)...).Exits(t, 0); strings.Count(again.Err, " CACHED\n") != 4 {
			t.Errorf("not all of it was cached: %s", again)
		}
		e.Want(t, id, "image", "inspect", "-f", "{{.Id}}", "elsewhere")
		e.OK(t, "builder", "prune", "-f")
		e.Run(t, append(from, "--target=made", dir)...).Exits(t, 0)
		e.Want(t, "2", "run", "--rm", "elsewhere", "stat", "-c", "%h", "/hard")
		e.OK(t, "builder", "prune", "-f")
		more := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS made\nRUN head -c 8 /dev/urandom | od -x >/random; rm /etc/motd; rm -rf /media && mkdir /media && ln /random /hard\n" +
			"FROM made AS above\nENV A=b\nFROM alpine:3.20\nCOPY --from=made /random /r/\nCOPY --from=above /hard /more\nRUN --mount=from=above,source=/hard,target=/in cmp /in /more\n"})
		e.Run(t, append(from, more)...).Exits(t, 0)
		e.OK(t, "rmi", "elsewhere", "stage")
		// A cache that is not there yet does not keep anybody from building.
		e.Run(t, "build", "--cache-from", r.Addr+"/nothing:here", dir).Exits(t, 0).Says(t, "importing cache manifest", "ERROR")
	})
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	for flag, says := range map[string]string{
		"--cache-from=type=s3,ref=x": "is not like", "--cache-from=type=local,dest=x": `"dest" is not one of`,
		"--cache-to=type=local,dest=/no/such/folder/x": "/no/such/folder", "--cache-to=Upper": "Upper", "--cache-to=type=local,dest=x,mode=most": "mode=min and mode=max",
	} {
		e.Run(t, "build", flag, dir).Exits(t, 125).Says(t, says)
	}
}

// Builds of the same file at once, with the cache emptied under them, all come to the
// same image, which is whole.
func TestBuildsAtOnce(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		dir := e.context(t, map[string]string{"f": "f", "Dockerfile": `FROM alpine:3.20 AS one
RUN --mount=type=cache,target=/c,sharing=locked test ! -e /c/busy && touch /c/busy && echo one >/one && rm /c/busy
FROM alpine:3.20
COPY f /in/
COPY --from=one /one /
RUN head -c 1000000 /dev/zero >/zeros
WORKDIR /w
`})
		first := ""
		for range 3 {
			var doing []*Proc
			for range 4 {
				doing = append(doing, e.Cmd("build", "-q", "-t", "together", "--build-arg", "SOURCE_DATE_EPOCH=1000000000", dir).Start(t))
			}
			prune := e.Cmd("builder", "prune", "-f").Start(t)
			for _, p := range doing {
				id := p.Wait(t).OK(t)
				if first == "" {
					first = id
				}
				if id != first {
					t.Errorf("the same build gave %s and %s", first, id)
				}
			}
			prune.Wait(t).OK(t)
			e.Want(t, "one 1000000 f", "run", "--rm", "together", "sh", "-c", "echo $(cat /one) $(wc -c </zeros) $(cat /in/f)")
		}
		e.OK(t, "builder", "prune", "-f")
		if left, err := filepath.Glob(filepath.Join(e.Data(), "build", "*", "*")); err != nil || len(left) > 0 {
			t.Errorf("left in the cache: %q, %v", left, err)
		}
	})
}

// A stage that was done again with the same result changes nothing for those that copy
// or mount its files; and attributes of files are part of the result.
func TestBuildCopiesByContent(t *testing.T) {
	e := AsUser(t)
	build := func(comment, content string, more ...string) string {
		t.Helper()
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS made\nRUN echo " + content + " >/f # " + comment + "\nFROM alpine:3.20\nCOPY --from=made /f /\n" +
			"RUN --mount=from=made,source=/f,target=/in cat /in >/got; head -c 8 /dev/urandom | od -x >/random\n"})
		e.built(t, dir, append(more, "-t", "bycontent")...)
		return e.OK(t, "run", "--rm", "bycontent", "cat", "/got", "/random")
	}
	first := build("one", "a")
	if again := build("two", "a"); again != first {
		t.Errorf("another way to the same files gave %q, not %q", again, first)
	}
	if again := build("two", "a", "--no-cache-filter=made"); again != first {
		t.Errorf("the same files made anew gave %q, not %q", again, first)
	}
	if other := build("three", "b"); other == first {
		t.Error("other files were not noticed")
	}
	if back := build("one", "a"); back != first {
		t.Errorf("the first files gave %q, not %q", back, first)
	}
	e.OK(t, "rmi", "bycontent")
}

// Extended attributes that land in the image are in the key of a step; those of a folder
// whose content is copied land nowhere, and are not.
func TestBuildAttributesDecideTheCache(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"d/f": "x", "d/sub/g": "y", "Dockerfile": "FROM scratch\nCOPY d /d\n"})
		out := filepath.Join(e.Folder(t), "files.tar")
		build := func() (cached bool, attributes map[string]string) {
			t.Helper()
			r := e.Run(t, "build", "--progress=plain", "-o", "type=tar,dest="+out, dir).Exits(t, 0)
			return strings.Contains(r.Err, "CACHED"), attributesIn(t, out)
		}
		set := func(name, key, value string) {
			t.Helper()
			if err := unix.Setxattr(filepath.Join(dir, name), key, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
		build()
		for _, name := range []string{"d/f", "d/sub"} {
			for _, value := range []string{"1", "2"} {
				set(name, "user.of", value)
				if cached, got := build(); cached || got[name+" user.of"] != value {
					t.Errorf("%s: cached: %t, attributes: %q", name, cached, got)
				}
			}
		}
		set("d", "user.of", "1")
		if err := os.Chmod(filepath.Join(dir, "d"), 0o711); err != nil {
			t.Fatal(err)
		}
		if cached, got := build(); !cached || got["d user.of"] != "" {
			t.Errorf("the folder itself: cached: %t, attributes: %q", cached, got)
		}
		// Capabilities of the host's root mean nothing in a user's containers, and do not
		// stand in the way.
		const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		set("d/f", "security.capability", netRaw)
		cached, got := build()
		if _, landed := got["d/f security.capability"]; landed == cached {
			t.Errorf("capabilities: cached: %t, attributes: %q", cached, got)
		}
	})
}

// attributesIn lists the extended attributes in an archive: "NAME KEY" to value.
func attributesIn(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]string{}
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range h.PAXRecords {
			if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
				found[strings.Trim(h.Name, "/")+" "+name] = value
			}
		}
	}
}
