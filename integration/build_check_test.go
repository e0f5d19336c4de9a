package integration

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestBuildCheck(t *testing.T) {
	e := AsUser(t)
	clean := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nCMD [\"true\"]\n"})
	e.Want(t, "Check complete, no warnings found.", "build", "--check", clean)
	bad := `FROM alpine:3.20 as Base
run true
MAINTAINER me
ENV A b
ENV DB_PASSWORD=x
FROM scratch AS base
ARG known=1
COPY $knwn /
WORKDIR sub
CMD true
CMD ["true"]
EXPOSE 80/TCP
`
	dir := e.context(t, map[string]string{"Dockerfile": bad})
	r := e.Run(t, "build", "--call=check", dir).Exits(t, 1)
	prints(t, r, "Check complete, 12 warnings have been found!", "FromAsCasing", "StageNameCasing", "ConsistentInstructionCasing", "MaintainerDeprecated",
		"LegacyKeyValueFormat", "SecretsUsedInArgOrEnv", "DuplicateStageName", "UndefinedVar", "did you mean $known?", "WorkdirRelativePath",
		"JSONArgsRecommended", "MultipleInstructionsDisallowed", "ExposeProtoCasing", "   2 | >>> run true", "https://docs.docker.com/go/dockerfile/rule/")
	e.Run(t, "image", "inspect", "checked").Exits(t, 1)
	skipped := e.context(t, map[string]string{"Dockerfile": "# check=skip=all\n" + bad})
	e.Want(t, "Check complete, no warnings found.", "build", "--check", skipped)
	strict := e.context(t, map[string]string{"Dockerfile": "# check=error=true\nFROM scratch\nCMD true\n"})
	e.Run(t, "build", strict).Exits(t, 1).Says(t, "JSONArgsRecommended (line 3)")
	warned := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nCMD true\n"})
	e.Run(t, "build", warned).Exits(t, 0).Says(t, "1 warning found", "JSONArgsRecommended", "(line 2)")
	e.Run(t, "build", "--call=sing", clean).Exits(t, 125).Says(t, "sing")
	broken := e.context(t, map[string]string{"Dockerfile": "# check=skip\nFROM scratch\n"})
	e.Run(t, "build", "--check", broken).Exits(t, 1).Says(t, "invalid check option")
}

// Rules about what the Dockerfile works on: the files, and stored base images.
func TestBuildCheckOfFilesAndImages(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY logs/a.log b /\nADD a.log https://x.example/a.log /\nCOPY . /\nFROM scratch\nCOPY --from=0 /a.log /\n",
		".dockerignore": "*.log\nlogs\n"})
	r := e.Run(t, "build", "--check", dir).Exits(t, 1)
	prints(t, r, "2 warnings have been found!", "CopyIgnoredFile", `Attempting to Copy file "logs/a.log" that is excluded`, `Attempting to Add file "a.log"`)
	some := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a.log /\n", ".dockerignore": "*\n!a.log\n"})
	e.Want(t, "Check complete, no warnings found.", "build", "--check", some)
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM scratch\nLABEL a=b\n"}), "-t", "foreign", "--platform=linux/s390x")
	file := e.context(t, map[string]string{"Dockerfile": "FROM foreign AS a\nFROM a\n"})
	r = e.Run(t, "build", "--check", file).Exits(t, 1)
	prints(t, r, "1 warning has been found!", "InvalidBaseImagePlatform", `Base image foreign was pulled with platform "linux/s390x"`)
	none := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\nFROM alpine:3.20\nLABEL a=$PATH$UNKNOWN\n", ".dockerignore": "**\n"})
	r = e.Run(t, "build", "--check", none).Exits(t, 1)
	prints(t, r, "2 warnings have been found!", `Attempting to Copy file "." that is excluded`, "undefined variable '$UNKNOWN'")
	e.OK(t, "rmi", "foreign")
}

// A base image that is not stored is looked at in its registry; a build does not take
// one for another platform.
func TestBuildCheckOfPulledImages(t *testing.T) {
	r := StartRegistry(t)
	e := AsUser(t)
	name := r.Addr + "/foreign/base"
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM scratch\nLABEL a=b\n"}), "-t", name, "--platform=linux/s390x")
	e.OK(t, "push", "-q", name)
	e.OK(t, "rmi", name)
	const says = `was pulled with platform "linux/s390x", expected "linux/arm64" for current build`
	dir := e.context(t, map[string]string{"Dockerfile": "FROM " + name + "\n"})
	prints(t, e.Run(t, "build", "--check", "--platform=linux/arm64", dir).Exits(t, 1), "InvalidBaseImagePlatform", says)
	e.Run(t, "image", "inspect", name).Exits(t, 1)
	e.Run(t, "build", "--platform=linux/arm64", dir).Exits(t, 1).Says(t, "the image is for linux/s390x, not for linux/arm64")
	e.built(t, dir, "--platform=linux/s390x")
	e.OK(t, "rmi", name)
}

// A "# check=skip=" above an instruction is for that one, and a SHELL says that a
// command is meant for it. Of several commands it is the void ones that are shown.
func TestBuildCheckOfInstructions(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": `ARG V=3.20
ARG NONE
FROM alpine:$V$X AS base
SHELL ["/bin/sh", "-c"]
# check=skip=SecretsUsedInArgOrEnv
ENV A_TOKEN=1
ENV TOKEN_FILE=1 PUBLIC_KEY=2
CMD a
CMD b
FROM base:$NONE AS arm
FROM --platform=linux/arm/v7 scratch AS arm7
FROM --platform=linux/arm/v7 scratch
`})
	r := e.Run(t, "build", "--check", dir).Exits(t, 1)
	prints(t, r, "4 warnings have been found!", "argument 'X' is not declared", "Multiple CMD", ">>> CMD a", "Default value for ARG base:$NONE", ">>> FROM --platform=linux/arm/v7 scratch\n")
}

// As JSON, the answers have the fields that BuildKit's clients read.
func TestBuildCallJSON(t *testing.T) {
	e := AsUser(t)
	file := "ARG V=1\n# base of all\nFROM alpine:3.20 AS base\nARG V\nRUN --mount=type=secret,id=token,required --mount=type=ssh true\nFROM base\nCMD true\n"
	dir := e.context(t, map[string]string{"Dockerfile": file})
	ask := func(code int, args ...string) (answer map[string]any) {
		t.Helper()
		r := e.Run(t, append(append([]string{"build"}, args...), dir)...).Exits(t, code)
		if err := json.Unmarshal([]byte(r.Out), &answer); err != nil {
			t.Fatalf("%v: %s", err, r)
		}
		return answer
	}
	want := func(got any, text string) {
		t.Helper()
		if data, err := json.Marshal(got); err != nil || string(data) != text {
			t.Errorf("got %s, %v; want %s", data, err, text)
		}
	}
	at := func(line string) string {
		place := `{"line":` + line + `}`
		return `"location":{"ranges":[{"end":` + place + `,"start":` + place + `}]}`
	}
	checked := ask(1, "--call=check,format=json")
	want(checked["sources"], `[{"data":"`+base64.StdEncoding.EncodeToString([]byte(file))+`","filename":"Dockerfile","language":"Dockerfile"}]`)
	warning := checked["warnings"].([]any)[0].(map[string]any)
	want(warning["ruleName"], `"JSONArgsRecommended"`)
	want(warning["location"], strings.TrimPrefix(at("7"), `"location":`))
	want(ask(0, "--call=targets,format=json")["targets"],
		`[{"base":"alpine:3.20","description":"of all",`+at("3")+`,"name":"base"},{"base":"base","default":true,`+at("6")+`}]`)
	outline := ask(0, "--call=outline,format=json", "--build-arg=V=2")
	want(outline["args"], `[{`+at("1")+`,"name":"V","value":"2"}]`)
	want(outline["secrets"], `[{`+at("5")+`,"name":"token","required":true}]`)
	want(outline["ssh"], `[{`+at("5")+`,"name":"default"}]`)
	dir = e.context(t, map[string]string{"Dockerfile": "FROM scratch\nRUM x\n"})
	broken := ask(1, "--check", "--call=check,format=json")
	want(broken["warnings"], `[]`)
	want(broken["buildError"], `{`+at("2")+`,"message":"unknown instruction: RUM (did you mean RUN?)"}`)
	e.Run(t, "build", "--call=check,format=xml", dir).Exits(t, 125).Says(t, "format=json")
}

// prints expects words on standard output.
func prints(t *testing.T, r Result, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(r.Out, word) {
			t.Errorf("%q is not in %s", word, r.Out)
		}
	}
}

func TestBuildOutline(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": `ARG BASE=alpine:3.20
# tools for the build
FROM ${BASE} AS tools
# VERSION of what is built
ARG VERSION=1
RUN --mount=type=secret,id=token,required --mount=type=ssh true
FROM scratch AS unused
ARG NOT_THIS
FROM scratch
COPY --from=tools /etc/motd /
`})
	e.Want(t, "TARGET      DESCRIPTION\ntools       for the build\nunused      \n(default)   ", "build", "--call=targets", dir)
	prints(t, e.Run(t, "build", "--call=outline", "--build-arg", "VERSION=2", dir).Exits(t, 0), "TARGET:", "(default)", "BASE", "VERSION     2", "of what is built", "token", "true", "default")
	if out := e.OK(t, "build", "--call=outline", "--target=unused", dir); !strings.Contains(out, "NOT_THIS") || strings.Contains(out, "VERSION") {
		t.Errorf("got %s", out)
	}
	e.Run(t, "build", "--call=outline", "--target=nothing", dir).Exits(t, 1).Says(t, "no such stage")
}

// A syntax error shows its line, and in that what it is about.
func TestBuildSyntaxErrors(t *testing.T) {
	e := AsUser(t)
	for file, says := range map[string]string{
		"FROM scratch\n  RUM true\n":             "   2 | >>>   RUM true\n     |       ^~~\n",
		"FROM scratch\nCOPY --form=a b /c\n":     "   2 | >>> COPY --form=a b /c\n     |          ^~~~~~~~\n",
		"FROM scratch\nCOPY a\n":                 "   2 | >>> COPY a\n     |     ^~~~\n",
		"FROM scratch\nHEALTHCHECK MAYBE x\n":    "   2 | >>> HEALTHCHECK MAYBE x\n     |                 ^~~~~\n",
		"RUN true\nFROM scratch\n":               "   1 | >>> RUN true\n",
		"FROM scratch\nRUN <<EOF\nnever ended\n": "unterminated heredoc",
		"FROM scratch\nENV a=${b\n":              "Dockerfile:2",
		"FROM scratch\nCOPY no*.o /\n":           `.dockerignore leaves it out, by the pattern "*.o"`,
		"FROM scratch\nONBUILD FROM x\n":         "Dockerfile:2",
	} {
		dir := e.context(t, map[string]string{"Dockerfile": file, "no1.o": "", ".dockerignore": "*.o\n"})
		e.Run(t, "build", dir).Exits(t, 1).Says(t, says)
	}
}
