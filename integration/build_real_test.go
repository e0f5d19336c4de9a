package integration

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Real packages, installed by apt from where this machine gets its own, and a Go
// program that is compiled in one stage and alone in the next.
func TestBuildRealComponents(t *testing.T) {
	e := AsUser(t)
	image := e.ImportDebian(t)
	dir := e.context(t, map[string]string{
		"main.go": "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"alone\") }\n",
		"Dockerfile": "FROM " + image + ` AS packages
RUN --network=host --mount=type=bind,from=apt,target=/etc/apt --mount=type=tmpfs,target=/var/lib/apt/lists \
    apt-get update && apt-get install -y --no-install-recommends jq && apt-get clean
RUN echo '{"a": [1, 2]}' | jq -c .a
ENTRYPOINT ["jq"]
FROM ` + image + ` AS compiled
COPY main.go /src/
RUN --mount=type=bind,from=go,target=/usr/local/go --mount=type=tmpfs,target=/tmp \
    cd /src && GOCACHE=/tmp/cache GO111MODULE=off CGO_ENABLED=0 /usr/local/go/bin/go build -o /alone main.go
FROM scratch AS alone
COPY --from=compiled /alone /
ENTRYPOINT ["/alone"]
`})
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	build := func(target string) {
		t.Helper()
		e.Cmd("build", "-t", target, "--target", target, "--allow", "network.host", "--build-context", "apt=/etc/apt",
			"--build-context", "go="+strings.TrimSpace(string(goroot)), dir).Within(3 * time.Minute).Run(t).OK(t)
	}
	build("packages")
	e.Want(t, "2", "run", "--rm", "packages", "-n", "1+1")
	build("alone")
	e.Want(t, "alone", "run", "--rm", "alone")
	e.Want(t, "1", "image", "inspect", "-f", "{{len .RootFS.Layers}}", "alone")
	e.OK(t, "rmi", "packages", "alone")
}
