package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUnitOfAContainer(t *testing.T) {
	u := ForContainer(Container{
		Program: "/usr/local/bin/rl", Name: "web", Image: "nginx", Restart: "unless-stopped",
		StopTimeout: 20 * time.Second, Needs: []string{"db.service"}, BackOff: true,
	})
	want := `# Written by rl systemd install.

[Unit]
Description=Container web of nginx
Requires=db.service
After=db.service
StartLimitIntervalSec=0

[Service]
ExecCondition=/usr/local/bin/rl systemd may-start web
ExecStart=/usr/local/bin/rl start --attach web
ExecStop=/usr/local/bin/rl stop web
Type=notify
NotifyAccess=main
Delegate=yes
KillMode=mixed
Restart=always
TimeoutStopSec=30
SuccessExitStatus=200
RestartPreventExitStatus=200
SyslogIdentifier=web
LogExtraFields=CONTAINER_NAME=web
RestartSec=1
RestartSteps=6
RestartMaxDelaySec=60

[Install]
WantedBy=default.target
`
	if got := u.String(); u.Name != "web.service" || got != want {
		t.Errorf("%s:\n%s", u.Name, got)
	}
}

// What is not started again, or by a systemd that is too old to wait longer
// each time, has none of those keys.
func TestUnitStartedAgain(t *testing.T) {
	for policy, want := range map[string]bool{"no": false, "on-failure": true, "always": true} {
		u := ForContainer(Container{Name: "web", Restart: policy})
		for key, there := range map[string]bool{"RestartSec": want, "RestartSteps": false} {
			if u.Has("Service", key) != there {
				t.Errorf("%s: %s is there: %v", policy, key, !there)
			}
		}
	}
}

const webFile = `# a comment
[Unit]
Description=The web server

[Container]
Image=docker.io/library/nginx
Environment=A=1 "B=two words"
PublishPort=8080:80
Volume=data.volume:/data
Network=front.network
Exec=sh -c "echo $HOME"
Notify=healthy
HealthCmd=test -e \
  /ready
ReadOnly=true
RunInit=no

[Service]
Restart=on-failure

[Install]
WantedBy=default.target
`

func TestQuadletContainer(t *testing.T) {
	others := map[string]string{"data.volume": "[Volume]\nVolumeName=store\n", "front.network": "[Network]\n"}
	read := func(name string) (string, error) {
		if text, ok := others[name]; ok {
			return text, nil
		}
		return "", fs.ErrNotExist
	}
	u, needs, err := FromQuadlet("web.container", webFile, Options{Program: "/bin/rl", Read: read})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(needs, []string{"data.volume", "front.network"}) {
		t.Errorf("needs %v", needs)
	}
	text := u.String()
	for _, want := range []string{
		"Description=The web server\n", "Requires=data-volume.service\nAfter=data-volume.service\n", "Requires=front-network.service\n",
		`ExecStart=/bin/rl run --name systemd-web --rm --sdnotify healthy --env A=1 --env "B=two words" --publish 8080:80 ` +
			`--volume store:/data --network systemd-front --health-cmd "test -e /ready" --read-only docker.io/library/nginx sh -c "echo $HOME"` + "\n",
		"Restart=on-failure\n", "ExecStop=/bin/rl stop systemd-web\n", "SyslogIdentifier=%N\n", "WantedBy=default.target\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "Restart=no") {
		t.Error("the file's own Restart is overridden")
	}
}

func TestQuadletOtherKinds(t *testing.T) {
	for name, c := range map[string]struct{ text, service, exec string }{
		"data.volume":   {"[Volume]\nLabel=a=b\n", "data-volume.service", "/bin/rl volume create --label a=b systemd-data"},
		"front.network": {"[Network]\nSubnet=10.9.0.0/24\nInternal=true\n", "front-network.service", `/bin/sh -c "/bin/rl network inspect systemd-front >/dev/null 2>&1 || exec /bin/rl network create --subnet 10.9.0.0/24 --internal systemd-front"`},
		"base.image":    {"[Image]\nImage=alpine\n", "base-image.service", "/bin/rl pull alpine"},
		"arm.image":     {"[Image]\nImage=a\nVariant=v7\nArch=arm\n", "arm-image.service", "/bin/rl pull --platform linux/arm/v7 a"},
		"old.image":     {"[Image]\nImage=oci-archive:old.tar\nImageTag=old\n", "old-image.service", "/bin/rl load --quiet --input /q/old.tar"},
		"may.image":     {"[Image]\nImage=a\nPolicy=missing\n", "may-image.service", `/bin/sh -c "/bin/rl image inspect a >/dev/null 2>&1 && exit; exec /bin/rl pull a"`},
		"not.image":     {"[Image]\nImage=a\nPolicy=never\n", "not-image.service", `/bin/sh -c "/bin/rl image inspect a >/dev/null"`},
		"try.image":     {"[Image]\nImage=a\nRetry=3\nRetryDelay=5s\n", "try-image.service", `/bin/sh -c "for pause in 5 5 5; do /bin/rl pull a && exit; sleep $$pause; done; exec /bin/rl pull a"`},
		"try.build":     {"[Build]\nImageTag=app\nFile=/s/D\nRetry=1\n", "try-build.service", `/bin/sh -c "for pause in 1; do /bin/rl build -t app --file /s/D /s && exit; sleep $$pause; done; exec /bin/rl build -t app --file /s/D /s"`},
		"app.build":     {"[Build]\nImageTag=app\nSetWorkingDirectory=/src\nFile=Dockerfile\n", "app-build.service", "/bin/rl build -t app --file /src/Dockerfile /src"},
		"new.container": {"[Container]\nImage=a\nPull=newer\n", "new.service", "/bin/rl run --name systemd-new --rm --sdnotify rl --pull always a"},
		"job@.container": {"[Container]\nImage=alpine\nExec=echo %i\n", "job@.service",
			"/bin/rl run --name systemd-job_%i --rm --sdnotify rl alpine echo %i"},
	} {
		u, _, err := FromQuadlet(name, c.text, Options{Program: "/bin/rl", Dir: "/q"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if u.Name != c.service || !strings.Contains(u.String(), "ExecStart="+c.exec+"\n") {
			t.Errorf("%s: %s\n%s", name, u.Name, u)
		}
	}
}

// Paths start from the folder of the file, names of files stand for services.
func TestQuadletPathsAndDependencies(t *testing.T) {
	files := map[string]string{
		"db.container": "[Container]\nImage=db\nServiceName=database\n", "job@.container": "[Container]\nImage=job\n", "data.volume": "[Volume]\n",
		"old.image": "[Image]\nImage=docker-archive:old.tar\nImageTag=localhost/old:1\n",
	}
	read := func(name string) (string, error) {
		if text, ok := files[name]; ok {
			return text, nil
		}
		return "", fs.ErrNotExist
	}
	for text, want := range map[string]string{
		"[Container]\nImage=a\nVolume=./d:/d:ro\n":                               " --volume /q/d:/d:ro a\n",
		"[Container]\nImage=a\nVolume=../d:/d\n":                                 " --volume /d:/d a\n",
		"[Container]\nImage=a\nVolume=%h/d:/d\n":                                 " --volume %h/d:/d a\n",
		"[Container]\nImage=a\nEnvironmentFile=env\n":                            " --env-file /q/env a\n",
		"[Container]\nImage=a\nMount=type=bind,source=./d,target=/d\n":           " --mount type=bind,source=/q/d,target=/d a\n",
		"[Container]\nImage=a\nMount=type=volume,source=data.volume,target=/d\n": " --mount type=volume,source=systemd-data,target=/d a\n",
		"[Container]\nRootfs=./root\nExec=sh\n":                                  " --rootfs=/q/root sh\n",
		"[Container]\nImage=a\nTimezone=Europe/Berlin\n":                         " --volume /usr/share/zoneinfo/Europe/Berlin:/etc/localtime:ro a\n",
		"[Container]\nImage=a\nReadOnlyTmpfs=true\n":                             " --tmpfs=/run --tmpfs=/tmp --tmpfs=/var/tmp a\n",
		"[Container]\nImage=a\nReloadCmd=nginx -s reload\n":                      "ExecReload=/bin/rl exec systemd-web nginx -s reload\n",
		"[Container]\nImage=a\nReloadSignal=HUP\n":                               "ExecReload=/bin/rl kill systemd-web --signal HUP\n",
		"[Unit]\nAfter=db.container network.target\n[Container]\nImage=a\n":      "After=database.service network.target\n",
		"[Unit]\nWants=job@one.container\n[Container]\nImage=a\n":                "Wants=job@one.service\n",
		"[Container]\nImage=a\nNetwork=db.container\n":                           "Requires=database.service\n",
		"[Container]\nImage=old.image\n":                                         " --sdnotify rl localhost/old:1\n",
		"[Container]\nImage=a\nPull=always\n":                                    " --pull always a\n",
		"[Container]\nImage=a\nRetry=2\n": `ExecStartPre=/bin/sh -c "/bin/rl image inspect a >/dev/null 2>&1 && exit; ` +
			`for pause in 1 2; do /bin/rl pull a && exit; sleep $$pause; done; exec /bin/rl pull a"` + "\nExecStart=/bin/rl run --name systemd-web --rm --sdnotify rl --pull never a\n",
		"[Container]\nImage=a\nHttpProxy=true\n": " --env=http_proxy --env=https_proxy ",
	} {
		u, _, err := FromQuadlet("web.container", text, Options{Program: "/bin/rl", Dir: "/q", Read: read})
		if err != nil || !strings.Contains(u.String(), want) {
			t.Errorf("%q: %v\n%s", text, err, u)
		}
	}
	u, needs, err := FromQuadlet("web.container", "[Unit]\nRequires=job@two.container\n[Container]\nImage=a\nServiceName=site\n", Options{Read: read})
	if err != nil || u.Name != "site.service" || !slices.Equal(needs, []string{"job@.container"}) {
		t.Errorf("%v needs %v: %v", u, needs, err)
	}
}

func TestQuadletTakesBack(t *testing.T) {
	text := "[Container]\nImage=a\nVolume=/x:/x\nEnvironment=A=1\nVolume=\nVolume=/y:/y\nPublishPort=\nExec=b\nExec=\nEntrypoint=[\"sh\", \"-c\"]\n"
	u, _, err := FromQuadlet("web.container", text, Options{Program: "/bin/rl"})
	if want := "--sdnotify rl --env A=1 --volume /y:/y --entrypoint sh a -c\n"; err != nil || !strings.Contains(u.String(), want) {
		t.Errorf("%v, want %q in\n%s", err, want, u)
	}
}

func TestQuadletBuild(t *testing.T) {
	for text, want := range map[string]string{
		"File=./Containerfile\n":                          "--file /q/Containerfile /q\n",
		"File=/src/Containerfile\n":                       "--file /src/Containerfile /src\n",
		"SetWorkingDirectory=unit\n":                      "build -t app /q\n",
		"SetWorkingDirectory=sub\nFile=C\nPull=always\n":  "--file /q/sub/C --pull /q/sub\n",
		"SetWorkingDirectory=https://example.com/a.git\n": "build -t app https://example.com/a.git\n",
	} {
		u, _, err := FromQuadlet("app.build", "[Build]\nImageTag=app\n"+text, Options{Program: "/bin/rl", Dir: "/q"})
		if err != nil || !strings.Contains(u.String(), want) {
			t.Errorf("%q: %v\n%s", text, err, u)
		}
	}
	if _, _, err := FromQuadlet("app.build", "[Build]\nImageTag=app\n", Options{}); !errors.Is(err, ErrQuadlet) {
		t.Error(err)
	}
}

func TestQuadletRefusesByLine(t *testing.T) {
	for text, says := range map[string]string{
		"[Container]\nImage=a\nColour=red\n":         "web.container line 3: unknown key Colour in [Container]",
		"[Container]\nPod=a.pod\n":                   "line 2: Pod: cannot be had here",
		"[Container]\nnonsense\n":                    "line 2: \"nonsense\" is neither",
		"[Pod]\nPodName=x\n":                         "line 2: unknown section [Pod]",
		"[Container]\nImage=a\nReadOnly=perhaps\n":   "line 3: ReadOnly: \"perhaps\" is neither true nor false",
		"[Container]\nImage=a\nExec=sh 'x\n":         "line 3: Exec: a quote is not closed",
		"[Container]\nExec=x\n":                      "has no Image",
		"[Container]\nImage=a\nRetry=many\n":         "line 3: Retry: it is a number from 0 to 100",
		"[Container]\nImage=a\nRetryDelay=1ms\n":     "line 3: RetryDelay: it is a second or more",
		"[Container]\nImage=a\nPull=sometimes\n":     "line 3: Pull: it is always, newer, missing or never",
		"[Container]\nImage=a\nCgroupsMode=none\n":   "line 3: CgroupsMode: it can only be split: ",
		"[Container]\nImage=a\nVolume=b.volume:/x\n": "line 3: Volume: it needs the file b.volume",
		"[Container]\nImage=a\nNotify=maybe\n":       "line 3: Notify: it is true, false or healthy",
		"[Container]\nImage=a\nEntrypoint=[\"a\n":    "line 3: Entrypoint: a list is like",
		"[Container]\nImage=a\nColour=\n":            "line 3: unknown key Colour",
		"[Container]\nImage=a\nHealthRetries=many\n": "line 3: HealthRetries: not so: --health-retries many",
	} {
		read := func(string) (string, error) { return "", fs.ErrNotExist }
		check := func(flags []string) error {
			if flags[0] == "--health-retries" {
				return fmt.Errorf("not so: %s", strings.Join(flags, " "))
			}
			return nil
		}
		_, _, err := FromQuadlet("web.container", text, Options{Read: read, Check: check})
		if !errors.Is(err, ErrQuadlet) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOrderAndCircles(t *testing.T) {
	order, err := Order(map[string][]string{"a": {"b", "c"}, "b": {"c"}, "c": nil})
	if err != nil || !slices.Equal(order, []string{"c", "b", "a"}) {
		t.Errorf("%v, %v", order, err)
	}
	_, err = Order(map[string][]string{"a": {"b"}, "b": {"a"}})
	if err == nil || !strings.Contains(err.Error(), "a -> b -> a") {
		t.Error(err)
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"a": "a", "": `""`, "a b": `"a b"`, `a"b`: `"a\"b"`, "100%": "100%%", "$x": "$$x"} {
		if got := quoteWord(word); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
}

func FuzzFromQuadlet(f *testing.F) {
	f.Add("web.container", webFile)
	f.Add("data.volume", "[Volume]\nLabel=a\\\n b\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		read := func(string) (string, error) { return "", fs.ErrNotExist }
		if u, _, err := FromQuadlet(name, text, Options{Program: "/bin/rl", Read: read}); err == nil && u.Name == "" {
			t.Error("a unit without a name")
		}
	})
}

// docs/quadlet.md names each key that is understood, and what is refused with
// the reason that is given.
func TestQuadletKeysAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/quadlet.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.container", "x.volume", "x.network", "x.image", "x.build"} {
		k, _ := kindOf(name)
		_, section, _ := strings.Cut(string(doc), "\n## ["+k.section+"]\n")
		section, _, _ = strings.Cut(section, "\n## ")
		var want []string
		for key, do := range k.keys {
			want = append(want, documented(key, do))
		}
		var got []string
		for _, line := range strings.Split(section, "\n") {
			switch words := strings.Split(line, "`"); {
			case strings.HasPrefix(line, "| `"):
				got = append(got, line)
			case !strings.HasPrefix(line, "|"):
				for i := 1; i < len(words); i += 2 {
					got = append(got, words[i])
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		for _, line := range without(want, got) {
			t.Errorf("docs/quadlet.md lacks in [%s]: %s", k.section, line)
		}
		for _, line := range without(got, want) {
			t.Errorf("docs/quadlet.md has in [%s], and the table of keys has not: %s", k.section, line)
		}
	}
}

// documented is what the documents have for a key: a row if not all of its
// values are understood, else its name.
func documented(key string, do translate) string {
	err := do(&translation{unit: new(Unit), o: Options{Dir: "/"}}, "no such value")
	if err != nil {
		if why, ok := strings.CutPrefix(err.Error(), "cannot be had here: "); ok {
			return "| `" + key + "` | none | " + why + " |"
		}
		if rest, ok := strings.CutPrefix(err.Error(), "it can only be "); ok {
			value, why, _ := strings.Cut(rest, ": ")
			return "| `" + key + "` | `" + value + "` | " + why + " |"
		}
	}
	return key
}

// without are those of list that are not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
