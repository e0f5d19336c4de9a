package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const proxyConf = `user root;
events {}
http { server { listen 80; location / { proxy_pass http://app; } } }
`

// Real servers in the usual arrangement: what is published reaches what is not,
// and nobody else does.
func TestServersAcrossNetworks(t *testing.T) {
	for _, a := range accounts() {
		t.Run(a.name, func(t *testing.T) {
			Need(t, Curl)
			e := Fresh(t, a.account)
			image := e.ImportDebian(t)
			dir := e.Folder(t)
			for name, text := range map[string]string{"proxy": proxyConf, "site": nginxConf, "index.html": "from behind\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			front, back := e.network(t), e.network(t, "--internal")
			daemon := []string{"nginx", "-g", "daemon off;"}
			run := func(flags []string, args ...string) string {
				name := e.Name(t)
				e.OK(t, append(append(append([]string{"run", "-d", "--name", name}, flags...), image), args...)...)
				return name
			}
			run([]string{"--network", "name=" + back + ",alias=app", "-v", filepath.Join(dir, "site") + ":/etc/nginx/nginx.conf:ro", "-v", dir + ":/site:ro"}, daemon...)
			run([]string{"--network", back, "--network-alias", "cache", "-u", "redis"}, "redis-server", "--protected-mode", "no", "--bind", "0.0.0.0", "--dir", "/tmp")
			proxy := run([]string{"--network", front + "," + back, "-p", "127.0.0.1::80", "-v", filepath.Join(dir, "proxy") + ":/etc/nginx/nginx.conf:ro"}, daemon...)
			published := e.OK(t, "port", proxy, "80")
			if got := Until(t, func() Result { return e.Tool("curl", "-fsS", "http://"+published+"/index.html").Run(t) }); got != "from behind" {
				t.Errorf("through the proxy: %q", got)
			}
			if got := Until(t, func() Result { return e.Run(t, "exec", proxy, "redis-cli", "-h", "cache", "ping") }); got != "PONG" {
				t.Errorf("redis says %q", got)
			}
			initdb := "/usr/lib/postgresql/15/bin/initdb -D /tmp/data -A trust >/dev/null && echo 'host all all all trust' >> /tmp/data/pg_hba.conf && " +
				"exec /usr/lib/postgresql/15/bin/postgres -D /tmp/data -c 'listen_addresses=*' -k /tmp"
			run([]string{"--network", back, "--network-alias", "db", "-u", "postgres"}, "sh", "-c", initdb)
			psql := []string{"exec", proxy, "psql", "-h", "db", "-U", "postgres", "-qAtc", "select client_addr from pg_stat_activity where pid = pg_backend_pid()"}
			if got, want := Until(t, func() Result { return e.Run(t, psql...) }), e.address(t, proxy, back); got != want {
				t.Errorf("PostgreSQL sees %q, not %s", got, want)
			}
			r := e.Run(t, "run", "--rm", "--network", front, image, "redis-cli", "-h", "cache", "ping")
			if r.Code == 0 || strings.Contains(r.Out, "PONG") {
				t.Errorf("a container in front reaches the one behind: %s", r)
			}
		})
	}
}
