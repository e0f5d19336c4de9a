package integration

import (
	"regexp"
	"strings"
	"testing"
)

// Templates that people give to Docker, from its documentation and from scripts,
// and the pattern of what comes out; "this" is a container with a published port,
// a volume and labels, BIG its name in capitals.
var templatesInTheWild = []struct {
	args []string
	want string
}{
	{[]string{"ps", "--format", `{{.ID}}: {{.Command}}`}, `[0-9a-f]{12}: "sleep 1000"`},
	{[]string{"ps", "--format", `table {{.Names}}\t{{.Labels}}`}, `NAMES +LABELS\nthis +com.example=z,x=y`},
	{[]string{"ps", "--format", `{{json .}}`}, `\{"Command":"\\"sleep 1000\\"",.*"Names":"this".*\}`},
	{[]string{"ps", "--format", `json`}, `\{.*"State":"running".*\}`},
	{[]string{"ps", "--format", `{{.Ports}} {{.Mounts}} {{.Networks}} {{.LocalVolumes}} {{.State}}`}, `127.0.0.1:\d+->80/tcp t\d+ bridge 1 running`},
	{[]string{"ps", "-s", "--format", `{{.Size}}`}, `0B \(virtual [\d.]+MB\)`},
	{[]string{"ps", "--format", `{{.RunningFor}}|{{.Status}}|{{.CreatedAt}}`}, `.* ago\|Up .*\|\d{4}-\d\d-\d\d .*`},
	{[]string{"ps", "--format", `{{.Label "x"}}|{{.Label "none"}}`}, `y\|`},
	{[]string{"ps", "--format", `table {{.Label "com.example"}}\t{{.Names | upper}}`}, `EXAMPLE +NAMES\nz +BIG`},
	{[]string{"ps", "--format", `{{upper .Names}} {{title .State}}`}, `BIG Running`},
	{[]string{"ps", "--format", `{{println .Names}}`}, `this\n`},
	{[]string{"ps", "--format", `{{printf "%.4s" .ID}}{{"\t"}}{{slice .ID 0 4}}`}, "[0-9a-f]{4}\t[0-9a-f]{4}"},
	{[]string{"ps", "--format", `{{range split .Labels ","}}{{.}};{{end}}`}, `com.example=z;x=y;`},
	{[]string{"ps", "--format", `{{if eq .State "running"}}up{{else}}down{{end}} {{truncate .ID 3}}{{pad .Image 1 1}}|`}, `up [0-9a-f]{3} rltest \|`},
	{[]string{"inspect", "--format", `{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}`, "this"}, `10\.\d+\.\d+\.\d+`},
	{[]string{"inspect", "--format", `{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}`, "this"}, `([0-9a-f]{2}:){5}[0-9a-f]{2}`},
	{[]string{"inspect", "--format", `{{.LogPath}}`, "this"}, `/.*-json.log`},
	{[]string{"inspect", "--format", `{{.Config.Image}} {{.Driver}} {{.GraphDriver.Name}} {{.Platform}}`, "this"}, `rltest overlay overlay linux`},
	{[]string{"inspect", "--format", `{{range $p, $conf := .NetworkSettings.Ports}} {{$p}} -> {{(index $conf 0).HostPort}} {{end}}`, "this"}, ` 80/tcp -> \d+ `},
	{[]string{"inspect", "--format", `{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}`, "this"}, `\d+`},
	{[]string{"inspect", "--format", `{{json .Config}}`, "this"}, `\{"Hostname":.*"Cmd":\["sleep","1000"\].*\}`},
	{[]string{"inspect", "-f", `{{ range .Mounts }}{{ .Type }} {{ .Source }}:{{ .Destination }} {{.RW}}{{ end }}`, "this"}, `volume /.*:/data true`},
	{[]string{"inspect", "-f", `{{index .Config.Labels "com.example"}}{{index .Config.Labels "none"}}`, "this"}, `z`},
	{[]string{"inspect", "-f", `{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}`, "this"}, `com.example=z x=y `},
	{[]string{"inspect", "-f", `{{with .State.Health}}{{.Status}}{{else}}none{{end}}`, "this"}, `none`},
	{[]string{"inspect", "-f", `{{if .State.Health}}{{.State.Health.Status}}{{end}}|{{if .State.Running}}yes{{end}}`, "this"}, `\|yes`},
	{[]string{"inspect", "-f", `{{join .Config.Cmd ","|upper}} {{index .Config.Cmd 0}} {{len .Mounts}}`, "this"}, `SLEEP,1000 sleep 1`},
	{[]string{"inspect", "-f", `{{json .State}}`, "this"}, `\{"Status":"running",.*\}`},
	{[]string{"inspect", "-f", `{{range .Config.Env}}{{println .}}{{end}}`, "this"}, `PATH=.*\n`},
	{[]string{"inspect", "-f", `{{.HostConfig.RestartPolicy.Name}} {{.RestartCount}} {{.State.ExitCode}}`, "this"}, `no 0 0`},
	{[]string{"inspect", "-f", `{{slice .Id 0 12}}`, "this"}, `[0-9a-f]{12}`},
	{[]string{"inspect", "-f", `{{.ID}}`, "this"}, `[0-9a-f]{64}`},
	{[]string{"inspect", "-f", `{{.Created}} {{.State.StartedAt}} {{.State.FinishedAt}}`, "this"}, `\d{4}-\S+Z \d{4}-\S+Z 0001-01-01T00:00:00Z`},
	{[]string{"inspect", "-f", `{{lower .Config.Image}} {{split .Name "/"}} {{printf "%s" .Name}}`, "this"}, `rltest \[ this\] /this`},
	{[]string{"inspect", "-f", `{{if eq (len .Mounts) 1}}one{{end}} {{gt .State.Pid 1}} {{not .State.Paused}}`, "this"}, `one true true`},
	{[]string{"inspect", "-f", `{{json .HostConfig.LogConfig.Type}} {{.HostConfig.Memory}} {{.HostConfig.AutoRemove}} {{.HostConfig.CapAdd}}`, "this"}, `"json-file" 0 false \[\]`},
	{[]string{"inspect", "-s", "-f", `{{.SizeRw}} {{.SizeRootFs}}`, "this"}, `\d+ \d+`},
	{[]string{"container", "inspect", "this", "-f", `{{.State.Status}}`}, `running`},
	{[]string{"inspect", "-f", `{{.RepoTags}} {{.Os}}/{{.Architecture}} {{len .RootFS.Layers}}`, Image}, `\[.*rltest:latest.*\] linux/\w+ 1`},
	{[]string{"image", "inspect", "--format", `{{.Id}} {{json .Config.Cmd}}`, Image}, `sha256:[0-9a-f]{64} \["/bin/sh"\]`},
	{[]string{"stats", "--no-stream", "--format", `{{.Container}}: {{.CPUPerc}} {{.MemPerc}}`, "this"}, `this: [\d.]+% [\d.]+%`},
	{[]string{"stats", "--no-stream", "--format", `table {{.Name}}\t{{.PIDs}}\t{{.MemUsage}}`, "this"}, `NAME +PIDS +MEM USAGE / LIMIT\nthis +1 +\S+ / \S+`},
	{[]string{"stats", "--no-stream", "--format", `{{json .}}`, "this"}, `\{"BlockIO":.*"Name":"this".*\}`},
	{[]string{"events", "--since", "1h", "--until", "0s", "--filter", "container=this", "--filter", "event=start", "--format", `Type={{.Type}}  Status={{.Status}}  ID={{.ID}}`}, `Type=container  Status=start  ID=[0-9a-f]{64}`},
	{[]string{"events", "--since", "1h", "--until", "0s", "--filter", "container=this", "--filter", "event=create", "--format", `{{.Actor.Attributes.name}} {{.Action}} {{.From}} {{index .Actor.Attributes "image"}} {{.Scope}}`}, `this create rltest rltest local`},
	{[]string{"events", "--since", "1h", "--until", "0s", "--filter", "container=this", "--filter", "event=create", "--format", `{{json .}}`}, `\{"status":"create",.*"timeNano":\d+\}`},
	{[]string{"info", "--format", `{{.Driver}} {{.OSType}} {{.NCPU}} {{.MemTotal}} {{.LoggingDriver}} {{.Swarm.LocalNodeState}}`}, `overlay linux \d+ \d+ json-file inactive`},
	{[]string{"info", "-f", `{{range .SecurityOptions}}{{.}} {{end}}`}, `name=seccomp,profile=builtin .*name=rootless |name=seccomp,profile=builtin .*`},
	{[]string{"info", "--format", `{{json .Plugins.Log}} {{.CgroupVersion}} {{.DefaultRuntime}}`}, `\["json-file","local","journald","none"\] [12] rl`},
	{[]string{"version", "--format", `{{.Server.Version}} {{.Client.APIVersion}} {{.Server.Os}}/{{.Server.Arch}}`}, `\S+ 1\.\d+ linux/\w+`},
	{[]string{"version", "-f", `{{json .Client}}`}, `\{"Version":.*\}`},
	{[]string{"version", "-f", `{{range .Server.Components}}{{.Name}} {{end}}`}, `rl `},
	{[]string{"system", "df", "--format", `{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}`}, `Images\|\d+\|\d+\|\S+\|.*\nContainers(.*\n)*Local Volumes(.*\n)*Build Cache.*`},
	{[]string{"system", "df", "--format", `table {{.Type}}\t{{.TotalCount}}`}, `TYPE +TOTAL\nImages +\d+\n(.*\n)*Build Cache +\d+`},
	{[]string{"system", "df", "--format", `{{json .}}`}, `(\{"Type":.*\}\n?){4}`},
	{[]string{"volume", "ls", "--format", `{{.Name}}: {{.Driver}}`}, `(?s).*t\d+: local.*`},
	{[]string{"images", "--format", `{{.Repository}}:{{.Tag}} {{.ID}} {{.CreatedSince}}`}, `(?s).*rltest:latest [0-9a-f]{12} .* ago.*`},
}

func TestTemplatesFoundInTheWild(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, volume := e.Name(t), e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "-p", "127.0.0.1::80", "-v", volume+":/data", "--label", "x=y", "--label", "com.example=z", Image, "sleep", "1000")
		words := strings.NewReplacer("this", name, "BIG", strings.ToUpper(name))
		for _, tt := range templatesInTheWild {
			var args []string
			for _, a := range tt.args {
				args = append(args, words.Replace(a))
			}
			if args[0] == "ps" {
				args = append(args, "--filter", "name=^"+name+"$")
			}
			want := words.Replace(tt.want)
			if got := e.Run(t, args...).OK(t); !regexp.MustCompile(`^(?:` + want + `)$`).MatchString(got) {
				t.Errorf("%v: got %q, want %q", args, got, want)
			}
		}
	})
}
