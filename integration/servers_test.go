package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server is a real one, in an image of Debian's packages, with its own client.
type server struct {
	name   string
	flags  []string // of run, before the image; VOLUME is the name of a volume
	port   string   // in the container
	args   []string // after the image
	client Requirement
	// write and read are commands of the client; PORT is the published port.
	write, read []string
	want        string // what read prints
}

func servers(conf string) []server {
	initdb := "test -s /data/PG_VERSION || { /usr/lib/postgresql/15/bin/initdb -D /data -A trust && " +
		"echo 'host all all all trust' >> /data/pg_hba.conf; } && exec /usr/lib/postgresql/15/bin/postgres -D /data -c 'listen_addresses=*' -k /tmp"
	psql := []string{"psql", "-qAt", "-h", "127.0.0.1", "-p", "PORT", "-U", "postgres", "-c"}
	redis := []string{"redis-cli", "-e", "-h", "127.0.0.1", "-p", "PORT"}
	return []server{
		{
			"redis", []string{"-u", "redis", "-v", "VOLUME:/var/lib/redis"}, "6379",
			[]string{"redis-server", "--dir", "/var/lib/redis", "--appendonly", "yes", "--protected-mode", "no", "--bind", "0.0.0.0"},
			RedisClient, append(redis, "set", "word", "kept"), append(redis[:len(redis):len(redis)], "get", "word"), "kept",
		},
		{
			"nginx", []string{"-v", "VOLUME:/site", "-v", conf + ":/etc/nginx/nginx.conf:ro"}, "80", []string{"nginx", "-g", "daemon off;"},
			Curl, []string{"curl", "-fsS", "-T", conf, "http://127.0.0.1:PORT/word"}, []string{"curl", "-fsS", "http://127.0.0.1:PORT/word"}, nginxConf,
		},
		{
			"PostgreSQL", []string{"-u", "postgres", "-v", "VOLUME:/data"}, "5432", []string{"sh", "-c", initdb},
			PostgresClient, append(psql, "create table words (word text); insert into words values ('kept')"),
			append(psql[:len(psql):len(psql)], "select word from words"), "kept",
		},
	}
}

const nginxConf = `user root;
events {}
http { server { listen 80; root /site; location / { dav_methods PUT; } } }
`

// Real servers are used by their own clients through a published port, and have
// their data when they are stopped and started again.
func TestRealServers(t *testing.T) {
	for _, a := range accounts() {
		t.Run(a.name, func(t *testing.T) {
			e := Fresh(t, a.account)
			image := e.ImportDebian(t)
			conf := filepath.Join(e.Folder(t), "nginx.conf")
			if err := os.WriteFile(conf, []byte(nginxConf), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, s := range servers(conf) {
				t.Run(s.name, func(t *testing.T) {
					Need(t, s.client)
					e.useServer(t, image, s)
				})
			}
		})
	}
}

func (e *Env) useServer(t *testing.T, image string, s server) {
	name := e.Name(t)
	args := append([]string{"run", "-d", "--name", name, "-p", "127.0.0.1::" + s.port}, s.flags...)
	args = append(append(args, image), s.args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "VOLUME", name+"-data")
	}
	e.OK(t, args...)
	client := func(words []string) func() Result {
		published := e.OK(t, "port", name, s.port)
		port := published[strings.LastIndexByte(published, ':')+1:]
		command := make([]string, len(words))
		for i, w := range words {
			command[i] = strings.ReplaceAll(w, "PORT", port)
		}
		return func() Result { return e.Tool(command[0], command[1:]...).Run(t) }
	}
	Until(t, client(s.write))
	check := func(when string) {
		if got := Until(t, client(s.read)); got != strings.TrimSuffix(s.want, "\n") {
			t.Errorf("%s: read %q, want %q", when, got, s.want)
		}
	}
	check("after writing")
	e.OK(t, "stop", "-t", "60", name) // a database writes down what it has in memory
	e.Want(t, "exited 0", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
	e.OK(t, "start", name)
	check("after stop and start")
	e.OK(t, "rm", "-f", name)
	e.OK(t, args...)
	check("in a new container with the volume")
}
