package integration

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// withApt is a RUN that installs Debian's packages from where this machine gets its
// own, and leaves neither their lists nor the way there in the image.
const withApt = "RUN --network=host --mount=type=bind,from=apt,target=/etc/apt --mount=type=tmpfs,target=/var/lib/apt/lists --mount=type=tmpfs,target=/src "

// buildReal builds a target with what withApt needs, and the machine's Go.
func (e *Env) buildReal(t *testing.T, dir, target string) {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	e.Cmd("build", "-t", target, "--target", target, "--allow", "network.host", "--build-context", "apt=/etc/apt",
		"--build-context", "go="+strings.TrimSpace(string(goroot)), dir).Within(8 * time.Minute).Run(t).OK(t)
}

// Packages that apt installs, a Go program that is compiled in one stage and alone
// in the next, and a server for Node.
func TestBuildRealComponents(t *testing.T) {
	e := AsUser(t)
	image := e.ImportSmallDebian(t)
	dir := e.context(t, map[string]string{
		"main.go":      "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"alone\") }\n",
		"package.json": `{"name": "hello", "type": "module", "scripts": {"start": "node server.js"}}`,
		"server.js": `import http from "node:http"
const server = http.createServer((request, response) => response.end("served " + request.url))
server.listen(0, "127.0.0.1", async () => {
  const response = await fetch("http://127.0.0.1:" + server.address().port + "/path")
  console.log(await response.text())
  server.close()
})
`,
		"Dockerfile": "FROM " + image + ` AS packages
` + withApt + `apt-get update && apt-get install -y --no-install-recommends jq nodejs && apt-get clean
RUN echo '{"a": [1, 2]}' | jq -c .a
ENTRYPOINT ["jq"]
FROM ` + image + ` AS compiled
COPY main.go /src/
RUN --mount=type=bind,from=go,target=/usr/local/go --mount=type=tmpfs,target=/tmp \
    cd /src && GOCACHE=/tmp/cache GO111MODULE=off CGO_ENABLED=0 /usr/local/go/bin/go build -o /alone main.go
FROM scratch AS alone
COPY --from=compiled /alone /
ENTRYPOINT ["/alone"]
FROM packages AS node
WORKDIR /app
COPY package.json server.js ./
USER 1000:1000
ENTRYPOINT []
CMD ["node", "server.js"]
`})
	e.buildReal(t, dir, "packages")
	e.Want(t, "2", "run", "--rm", "packages", "-n", "1+1")
	e.buildReal(t, dir, "alone")
	e.Want(t, "alone", "run", "--rm", "alone")
	e.Want(t, "1", "image", "inspect", "-f", "{{len .RootFS.Layers}}", "alone")
	e.buildReal(t, dir, "node")
	e.Want(t, "served /path", "run", "--rm", "node")
	e.OK(t, "rmi", "packages", "alone", "node")
}

// compileRedis is one RUN: it installs the tools, compiles Debian's source of redis,
// and removes the tools again.
const compileRedis = withApt + `<<EOF
set -e
tools='gcc make libc6-dev dpkg-dev'
for kind in deb deb-src; do echo "$kind http://deb.debian.org/debian bookworm main"; done >/src/list
from='-q -o Dir::Etc::sourcelist=/src/list -o Dir::Etc::sourceparts=-'
apt-get $from update
apt-get $from install -y --no-install-recommends $tools
cd /src
apt-get $from source redis
cd redis-*/src
make -s -j2 MALLOC=libc OPTIMIZATION=-O0 USE_SYSTEMD=no redis-server redis-cli
install -s redis-server redis-cli /usr/local/bin/
apt-get purge -q -y --auto-remove $tools
apt-get clean
EOF
`

func TestBuildRedisFromSource(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM " + e.ImportSmallDebian(t) + ` AS compiled
` + compileRedis + `
VOLUME /data
WORKDIR /data
EXPOSE 6379
CMD ["redis-server", "--save", "60", "1"]
`})
	e.buildReal(t, dir, "compiled")
	e.Want(t, "/usr/local/bin/redis-cli\n/usr/local/bin/redis-server", "run", "--rm", "compiled", "sh", "-c",
		"find /usr/local/bin /src /usr/bin/gcc /usr/bin/make /usr/include -type f 2>/dev/null | sort")
	id := e.OK(t, "run", "-d", "compiled")
	ask := func(words ...string) func() Result {
		return func() Result { return e.Run(t, append([]string{"exec", id, "redis-cli"}, words...)...) }
	}
	if got := Until(t, ask("set", "key", "value")); got != "OK" {
		t.Errorf("got %q", got)
	}
	e.OK(t, "restart", id)
	if got := Until(t, ask("get", "key")); got != "value" {
		t.Errorf("after a restart: %q", got)
	}
	e.OK(t, "rm", "-f", "-v", id)
	e.OK(t, "rmi", "compiled")
}
