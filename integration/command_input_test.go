package integration

import (
	"slices"
	"strings"
	"testing"
)

// wrongUses are lines that nobody can have meant, with the exit code and words
// of the message. RUN is a running container, OFF one that is not; the words of
// a line are separated by blanks, and _ stands for a blank in one.
var wrongUses = []struct {
	line string
	code int
	says []string
}{
	{"port", 125, []string{"rl port CONTAINER"}},
	{"port nobody", 1, []string{"no such container: nobody"}},
	{"port RUN 80", 1, []string{"80/tcp", "not published"}},
	{"port RUN 80 81", 125, []string{"unexpected argument 81", "rl port CONTAINER"}},
	{"attach", 125, []string{"rl attach [flags] CONTAINER"}},
	{"attach nobody", 1, []string{"no such container"}},
	{"attach OFF", 1, []string{"not running"}},
	{"attach RUN OFF", 125, []string{"unexpected argument"}},
	{"attach --detach-keys ctrl-!! RUN", 125, []string{"ctrl-!!"}},
	{"attach --no-stdni RUN", 125, []string{"--no-stdni", "--no-stdin?"}},
	{"wait", 125, []string{"rl wait CONTAINER"}},
	{"wait nobody", 1, []string{"no such container"}},
	{"wait --tiem 3 RUN", 125, []string{"--tiem"}},
	{"ps -f colour=red", 125, []string{"colour", "label"}},
	{"ps -f status=sleepy", 125, []string{"sleepy", "running"}},
	{"ps -f x", 125, []string{`"x"`}},
	{"ps -f name=[", 125, []string{"name=["}},
	{"ps -n few", 125, []string{"few", "number"}},
	{"ps extra", 125, []string{"unexpected argument extra"}},
	{"ps --no-trnc", 125, []string{"--no-trunc?"}},
	{"ps --format {{.Nope}}", 125, []string{".Nope", ".Names"}},
	{"ps --format {{.ID", 125, []string{"template"}},
	{"ps --format {{.ID|shout}}", 125, []string{"shout"}},
	{"start", 125, []string{"rl start [flags] CONTAINER"}},
	{"start nobody", 1, []string{"no such container"}},
	{"start -a RUN OFF", 125, []string{"one container"}},
	{"start --detach-keys x,,y OFF", 125, []string{"--detach-keys"}},
	{"kill", 125, []string{"rl kill [flags] CONTAINER"}},
	{"kill OFF", 1, []string{"not running"}},
	{"kill -s NOPE RUN", 125, []string{"NOPE", "TERM"}},
	{"kill -s 99 RUN", 125, []string{"99", "64"}},
	{"kill --signla TERM RUN", 125, []string{"--signal?"}},
	{"stop", 125, []string{"rl stop [flags] CONTAINER"}},
	{"stop nobody", 1, []string{"no such container"}},
	{"stop -t soon RUN", 125, []string{"--time", "soon", "number"}},
	{"stop --tiem 3 RUN", 125, []string{"--time?"}},
	{"stop -s NOPE RUN", 125, []string{"NOPE"}},
	{"restart", 125, []string{"rl restart [flags] CONTAINER"}},
	{"restart -t 1.5 RUN", 125, []string{"1.5", "number"}},
	{"restart nobody", 1, []string{"no such container"}},
	{"rename", 125, []string{"rl rename CONTAINER NEW-NAME"}},
	{"rename RUN", 125, []string{"rl rename CONTAINER NEW-NAME"}},
	{"rename RUN OFF", 1, []string{"already in use", "rl rm OFF"}},
	{"rename RUN RUN", 1, []string{"that name already"}},
	{"rename RUN a_b", 125, []string{"a b", "letters"}},
	{"rename nobody other", 1, []string{"no such container"}},
	{"top", 125, []string{"rl top CONTAINER"}},
	{"top OFF", 1, []string{"not running"}},
	{"top RUN -o nothing", 1, []string{"nothing"}},
	{"stats --no-stream nobody", 1, []string{"no such container"}},
	{"stats --format {{.Nope}} RUN", 125, []string{".Nope", ".CPUPerc"}},
	{"stats --no-strem RUN", 125, []string{"--no-stream?"}},
	{"pause", 125, []string{"rl pause CONTAINER"}},
	{"pause OFF", 1, []string{"not running"}},
	{"unpause RUN", 1, []string{"not paused"}},
	{"update RUN", 125, []string{"nothing to change", "--memory"}},
	{"update --memory lots RUN", 125, []string{"lots"}},
	{"update --memory 1k RUN", 125, []string{"1k", "minimum"}},
	{"update --restart sometimes RUN", 125, []string{"sometimes", "unless-stopped"}},
	{"update --pids-limit few RUN", 125, []string{"few", "number"}},
	{"update --cpus 1 nobody", 1, []string{"no such container"}},
	{"cp", 125, []string{"rl cp"}},
	{"cp RUN:/etc", 125, []string{"rl cp"}},
	{"cp a b", 125, []string{"CONTAINER:PATH"}},
	{"cp - -", 125, []string{"CONTAINER:PATH"}},
	{"cp RUN:/etc OFF:/", 125, []string{"host first"}},
	{"cp RUN:/no/such /tmp", 1, []string{"/no/such in the container"}},
	{"cp /no/such RUN:/", 1, []string{"/no/such"}},
	{"cp /etc/hosts RUN:/no/such/", 1, []string{"/no/such", "folder"}},
	{"cp /etc/hosts RUN:/no/such/file", 1, []string{"/no/such", "folder"}},
	{"cp RUN:/etc/hosts /no/such/file", 1, []string{"/no/such", "folder"}},
	{"cp - RUN:/etc/hosts", 1, []string{"/etc/hosts", "folder"}},
	{"cp nobody:/etc /tmp", 1, []string{"no such container"}},
	{"diff", 125, []string{"rl diff CONTAINER"}},
	{"diff nobody", 1, []string{"no such container"}},
	{"diff RUN OFF", 125, []string{"unexpected argument"}},
	{"commit", 125, []string{"rl commit [flags] CONTAINER"}},
	{"commit nobody", 1, []string{"no such container"}},
	{"commit RUN UPPER", 125, []string{"UPPER", "lower"}},
	{"commit -c FLY_high RUN x", 125, []string{"FLY", "WORKDIR"}},
	{"commit RUN a b", 125, []string{"unexpected argument b"}},
	{"export", 125, []string{"rl export [flags] CONTAINER"}},
	{"export nobody", 1, []string{"no such container"}},
	{"export -o /no/such/file RUN", 1, []string{"/no/such/file"}},
	{"events x", 125, []string{"unexpected argument x"}},
	{"events --since yesterday", 125, []string{"--since", "yesterday", "10m"}},
	{"events --since 1h --until 2h", 125, []string{"--until", "before"}},
	{"events --filter colour=blue", 125, []string{"colour", "container"}},
	{"events --until 0s --format {{.Nope}}", 125, []string{".Nope", ".Action"}},
	{"system df x", 125, []string{"unexpected argument x"}},
	{"system df --format {{.Nope}}", 125, []string{".Nope", ".Reclaimable"}},
	{"system prune x", 125, []string{"unexpected argument x"}},
	{"system prune -f --filter colour=red", 125, []string{"colour"}},
	{"container prune -f --filter until=yesterday", 125, []string{"yesterday"}},
	{"container prune -f --filter x", 125, []string{"x", "until"}},
	{"logs", 125, []string{"rl logs [flags] CONTAINER"}},
	{"logs nobody", 1, []string{"no such container"}},
	{"logs --tail some RUN", 125, []string{"some", "all"}},
	{"logs --since yesterday RUN", 125, []string{"--since", "yesterday"}},
	{"logs --tial 3 RUN", 125, []string{"--tail?"}},
	{"logs RUN OFF", 125, []string{"unexpected argument"}},
	{"exec", 125, []string{"rl exec [flags] CONTAINER COMMAND"}},
	{"exec RUN", 125, []string{"no command"}},
	{"exec nobody true", 1, []string{"no such container"}},
	{"exec OFF true", 1, []string{"not running"}},
	{"exec RUN no-such-program", 127, []string{"no-such-program", "not found"}},
	{"exec RUN /etc/passwd", 126, []string{"/etc/passwd", "permission denied"}},
	{"exec -w /no/such RUN true", 126, []string{"/no/such", "-w"}},
	{"exec -w tmp RUN true", 125, []string{"tmp", "absolute"}},
	{"exec -u nobody-of-that-name RUN true", 125, []string{"nobody-of-that-name"}},
	{"exec -e =x RUN true", 125, []string{"=x"}},
	{"exec --env-file /no/such RUN true", 125, []string{"/no/such"}},
	{"exec -it RUN true", 1, []string{"terminal"}},
	{"exec --detach-keys !! RUN true", 125, []string{"!!"}},
	{"exec --worker / RUN true", 125, []string{"--workdir?"}},
	{"rm", 125, []string{"rl rm [flags] CONTAINER"}},
	{"rm nobody", 1, []string{"no such container"}},
	{"rm RUN", 1, []string{"running", "rl rm -f"}},
	{"rm --foce RUN", 125, []string{"--force?"}},
	{"inspect", 125, []string{"rl inspect [flags] NAME"}},
	{"inspect nobody", 1, []string{"no such object: nobody"}},
	{"inspect --type ship RUN", 125, []string{"ship", "container"}},
	{"inspect -f {{.Nope}} RUN", 125, []string{".Nope", ".State"}},
	{"inspect -f {{.State.Nope}} RUN", 125, []string{".State.Nope"}},
	{"inspect --type container IMAGE", 1, []string{"no such container"}},
	{"info x", 125, []string{"unexpected argument x"}},
	{"info -f {{.Nope}}", 125, []string{".Nope"}},
	{"version x", 125, []string{"unexpected argument x"}},
	{"version -f {{.Nope}}", 125, []string{".Nope", ".Server"}},
	{"create", 125, []string{"no image"}},
	{"create --name a_b IMAGE", 125, []string{"a b"}},
	{"create --pull never no-such-image", 125, []string{"no-such-image"}},
	{"check x", 125, []string{"unexpected argument x"}},
	{"completion korn", 125, []string{"korn", "bash"}},
	{"sytem df", 125, []string{"sytem", `"system"`}},
	{"containre ls", 125, []string{"containre", `"container"`}},
	{"container lss", 125, []string{"container lss", `"container ls"`}},
	{"system pruen", 125, []string{`"system prune"`}},
	{"xyzzy", 125, []string{"xyzzy", "rl --help"}},
	{"--no-such-flag", 125, []string{"--no-such-flag"}},
}

// Each command's wrong uses end with one clear message and the right code, and
// change nothing.
func TestWrongUses(t *testing.T) {
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			e := Fresh(t, who.account)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			e.OK(t, "run", "-d", "--network", "none", "--name", "RUN", Image, "sleep", "1000")
			e.OK(t, "create", "--network", "none", "--name", "OFF", Image, "true")
			e.OK(t, "exec", "RUN", "true")
			e.OK(t, "cp", "-q", "RUN:/etc/hosts", e.Folder(t))
			whole := func() []string { return append(e.files(t), strings.Fields(e.OK(t, "diff", "RUN"))...) }
			before := whole()
			for _, tt := range wrongUses {
				words := strings.Fields(tt.line)
				for i, w := range words {
					words[i] = strings.ReplaceAll(strings.ReplaceAll(w, "_", " "), "IMAGE", Image)
				}
				r := e.Cmd(words...).Input("").Run(t)
				if r.Code != tt.code {
					t.Errorf("want the code %d: %s", tt.code, r)
				}
				r.Says(t, tt.says...)
				if n := lines(r.Err); n == 0 || n > 2 { // the message, and where to read on
					t.Errorf("want one clear line: %s", r)
				}
				if now := whole(); !slices.Equal(before, now) {
					t.Errorf("%s: changed: %v", tt.line, difference(before, now))
					before = now
				}
			}
			e.Want(t, "RUN true\nOFF false", "inspect", "-f", "{{slice .Name 1}} {{.State.Running}}", "RUN", "OFF")
		})
	}
}
