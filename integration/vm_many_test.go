package integration

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	keepsUp = `sh -c "trap 'exit 0' TERM; sleep 100000 & wait"`
	// No time is set for units that start or stop: the machine may be emulated.
	noTimeouts = "[Service]\nTimeoutStartSec=infinity\nTimeoutStopSec=infinity\n"
)

// inRow is how many of many services may start at once: each waits for the one
// that far before it.
const inRow = 10

// enableMany lets the first n instances of a template, whose unit is there,
// start in order at the next start of the machine.
func (l *Login) enableMany(t *testing.T, template string, n int) {
	t.Helper()
	l.OK(t, fmt.Sprintf(`cd ~/.config/systemd/user && for i in $(seq %[2]d); do mkdir %[1]s@$i.service.d && { printf '%[3]s'
[ $i -le %[4]d ] || echo "[Unit]
After=%[1]s@$((i-%[4]d)).service"; } > %[1]s@$i.service.d/order.conf; done
systemctl --user daemon-reload && systemctl --user enable -q %[5]s`, template, n, strings.ReplaceAll(noTimeouts, "\n", `\n`), inRow, instances(template, n)))
}

// instances are the names of the first units of a template, for a shell.
func instances(template string, n int) string {
	return fmt.Sprintf("$(seq -f %s@%%.0f.service %d)", template, n)
}

// start is when systemd began with a unit and when it was up, since the
// machine was switched on.
type start struct{ begun, up time.Duration }

// allUp fails the test unless that many units of a template are up, and returns
// their starts by number.
func (l *Login) allUp(t *testing.T, template string, n int) map[int]start {
	t.Helper()
	units := "'" + template + "@*.service'"
	starts := map[int]start{}
	for unit := range strings.SplitSeq(l.OK(t, "systemctl --user show -p Id -p ActiveState -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic "+units), "\n\n") {
		values := fields(strings.ReplaceAll(unit, "=", " "))
		_, number, _ := strings.Cut(strings.TrimSuffix(values["Id"], ".service"), "@")
		if i, err := strconv.Atoi(number); err == nil && values["ActiveState"] == "active" {
			starts[i] = start{micros(t, values["InactiveExitTimestampMonotonic"]), micros(t, values["ActiveEnterTimestampMonotonic"])}
		}
	}
	if len(starts) != n {
		t.Fatalf("%d of %d are up: %v\n%s", len(starts), n, slices.Sorted(maps.Keys(starts)), l.OK(t, "systemctl --user list-units --all "+units+"; free -m"))
	}
	return starts
}

func micros(t *testing.T, text string) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Microsecond
}

// took is how many seconds passed from the start of the first one until the
// first n were up.
func took(starts map[int]start, n int) float64 {
	begun, up := starts[1].begun, starts[1].up
	for i := 2; i <= n; i++ {
		begun, up = min(begun, starts[i].begun), max(up, starts[i].up)
	}
	return (up - begun).Seconds()
}

// manyServices are instances of one template. They have no network: the
// machine is a small one.
func manyServices(n int, starts *map[int]start) onBoot {
	const file = "[Container]\nImage=" + Image + "\nNetwork=none\nExec=" + keepsUp + "\n[Install]\nWantedBy=default.target\n"
	return onBoot{fmt.Sprint(n, " services"), "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "mkdir -p many && cat > many/many@.container << 'END'\n"+file+"END\nrl systemd install many/many@.container")
			l.enableMany(t, "many", n)
		},
		func(t *testing.T, l *Login) {
			*starts = l.allUp(t, "many", n)
			for i, s := range *starts {
				if before, ok := (*starts)[i-inRow]; ok && s.begun < before.up {
					t.Errorf("the service %d began at %v, %d was up at %v", i, s.begun, i-inRow, before.up)
				}
			}
			if got := l.OK(t, "rl ps --format '{{.Names}}' | grep -c '^systemd-many_'"); got != fmt.Sprint(n) {
				t.Errorf("%s containers run", got)
			}
		},
		func(t *testing.T, l *Login) {
			l.OK(t, "systemctl --user disable -q "+instances("many", n)+"; timeout 90 systemctl --user stop 'many@*.service'; true")
			l.await(t, "[ $(rl ps -aq --filter name=systemd-many_ | wc -l) = 0 ]", "systemctl --user list-units 'many@*.service'")
			l.OK(t, "rl systemd remove many@; rm -r many ~/.config/systemd/user/many@*.service.d")
		},
	}
}

// podmanServices are the same as podman's own units, to compare with.
func podmanServices(n int, starts *map[int]start) onBoot {
	return onBoot{fmt.Sprint(n, " services of podman"), "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "podman import -q /srv/rootfs.tar twin && podman create -q --name twin --network none twin "+keepsUp)
			// With --files, the name of the file would not be that of a template.
			l.OK(t, "podman generate systemd --new --template --name twin > .config/systemd/user/twin@.service")
			l.enableMany(t, "twin", n)
		},
		func(t *testing.T, l *Login) {
			l.await(t, fmt.Sprintf("[ $(systemctl --user list-units --plain --no-legend --state=active 'twin@*.service' | wc -l) = %d ]", n), "systemctl --user status 'twin@*.service'")
			*starts = l.allUp(t, "twin", n)
		},
		func(t *testing.T, l *Login) {
			l.OK(t, "systemctl --user disable -q "+instances("twin", n)+"; rm -r ~/.config/systemd/user/twin@*")
			// To stop and remove them one by one takes podman minutes. Its image and its records stay.
			// The person's systemd and runtime folder are gone with them: who logged in before they
			// are there again would begin without.
			login(t, "root").OK(t, "echo 1 > /sys/fs/cgroup/user.slice/user-1000.slice/cgroup.kill && "+
				"systemctl stop user@1000 user-runtime-dir@1000 && systemctl start user@1000")
		},
	}
}
