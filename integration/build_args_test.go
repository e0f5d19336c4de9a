package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A stage on another one knows its build arguments; where an ENV has the same name,
// that counts.
func TestBuildStagesInheritArguments(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS base\nARG A=1 B\nENV E=env\nARG E=arg\nLABEL first=$E\n" +
		"FROM base\nARG C=${A}2\nLABEL a=$A b=$B c=$C e=$E\nRUN echo $A,$B,$C,$E >/seen\n"})
	e.built(t, dir, "-t", "inherits", "--build-arg", "B=given")
	e.Want(t, "map[a:1 b:given c:12 e:env first:arg]", "image", "inspect", "-f", "{{.Config.Labels}}", "inherits")
	e.Want(t, "1,given,12,env", "run", "--rm", "inherits", "cat", "/seen")
	if lines := e.OK(t, "history", "--no-trunc", "--format", "{{.CreatedBy}}", "inherits"); !strings.Contains(lines, "RUN |4 A=1 B=given E=env C=12 /bin/sh") {
		t.Errorf("the history is %s", lines)
	}
	e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "FROM --platform=$NOTHING scratch\n"})).Exits(t, 1).Says(t, "--platform=$NOTHING is empty")
}

func TestBuildCopiesFromNoVariable(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "ARG X=a\nFROM scratch AS a\nFROM scratch\nARG X\nCOPY --from=$X / /\n"})
	e.Run(t, "build", dir).Exits(t, 1).Says(t, "Dockerfile:5", "--from=$X: variables are not replaced here")
}

// Variables that nobody has to give, and SOURCE_DATE_EPOCH, which may come from the
// environment or from the file.
func TestBuildVariablesFromOutside(t *testing.T) {
	e := AsUser(t)
	labels := func(args ...string) string {
		t.Helper()
		e.built(t, e.context(t, map[string]string{"Dockerfile": args[0]}), args[1:]...)
		return e.OK(t, "image", "inspect", "-f", "{{.Config.Labels}} {{.Created}}", "outside")
	}
	file := "FROM scratch AS last\nARG TARGETSTAGE SOURCE_DATE_EPOCH\nLABEL t=$TARGETSTAGE s=$SOURCE_DATE_EPOCH\n"
	if got := labels("ARG SOURCE_DATE_EPOCH=60\n"+file, "-t", "outside"); got != "map[s:60 t:last] 1970-01-01T00:01:00Z" {
		t.Errorf("from the file: %s", got)
	}
	dir := e.context(t, map[string]string{"Dockerfile": file})
	e.Cmd("build", "-q", "-t", "outside", dir).Set("SOURCE_DATE_EPOCH=120").Run(t).OK(t)
	e.Want(t, "map[s:120 t:last] 1970-01-01T00:02:00Z", "image", "inspect", "-f", "{{.Config.Labels}} {{.Created}}", "outside")
	e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n"})).Exits(t, 1).Says(t, "soon")
	// The architecture is the platform's, whatever the variable is made to say.
	e.built(t, dir, "-t", "outside", "--platform", "linux/arm64", "--build-arg", "TARGETARCH=z80")
	e.Want(t, "arm64", "image", "inspect", "-f", "{{.Architecture}}", "outside")
	about := filepath.Join(e.Folder(t), "about.json")
	e.built(t, dir, "-t", "outside", "--metadata-file", about)
	if data, err := os.ReadFile(about); err != nil || !strings.Contains(string(data), `"image.name": "docker.io/library/outside:latest"`) {
		t.Errorf("the file says %s, %v", data, err)
	}
	e.OK(t, "rmi", "outside")
}

// An image gets a PATH, which RUN has had, and lines of its history that change no
// files have the time of the build, not of the base image. With SOURCE_DATE_EPOCH
// those of the base image keep theirs.
func TestBuildOnImageWithoutPath(t *testing.T) {
	e := AsUser(t)
	base := e.context(t, map[string]string{"f": "", "Dockerfile": "FROM scratch\nCOPY f /\n"})
	e.OK(t, "build", "--build-arg", "SOURCE_DATE_EPOCH=1000000000", "-o", "type=tar,dest="+base+"/files", base)
	e.OK(t, "import", base+"/files", "pathless")
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM pathless\nLABEL p=$PATH\n"}), "-t", "pathful", "--build-arg", "SOURCE_DATE_EPOCH=1000000000")
	const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	e.Want(t, "[PATH="+path+"] map[p:"+path+"]", "image", "inspect", "-f", "{{.Config.Env}} {{.Config.Labels}}", "pathful")
	imported := e.OK(t, "image", "inspect", "-f", "{{.Created}}", "pathless")
	times := strings.Fields(e.OK(t, "history", "--human=false", "--format", "{{.CreatedAt}}", "pathful"))
	if len(times) != 2 || !strings.HasPrefix(times[0], "2001-09-09T") || times[1][:10] != imported[:10] {
		t.Errorf("the lines of the history are from %q, the base image from %s", times, imported)
	}
	old := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nENV A=b\nWORKDIR /w\n"})
	e.built(t, old, "-t", "old", "--build-arg", "SOURCE_DATE_EPOCH=1000000000")
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM old\nENV B=c\nWORKDIR /x\nENV C=d\n"}), "-t", "young")
	made := strings.Fields(e.OK(t, "history", "--human=false", "--format", "{{.CreatedAt}}", "young"))
	if len(made) != 5 || made[0] != made[1] || made[1] != made[2] || made[2][:4] == "2001" || made[3][:4] != "2001" {
		t.Errorf("the lines of the history are from %q", made)
	}
	e.OK(t, "rmi", "young", "old", "pathful", "pathless")
}
