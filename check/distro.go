package check

import (
	"slices"
	"strings"
)

// distribution is how packages get onto the machine.
type distribution struct {
	name    string // PRETTY_NAME
	install string // the command before the names of packages; "" where it is not known
	family  string // key of packageNames
}

// readDistribution looks at os-release(5).
func (m *machine) readDistribution() distribution {
	values := map[string]string{}
	for line := range strings.Lines(m.read("/etc/os-release")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = strings.Trim(value, `"'`)
	}
	d := distribution{name: values["PRETTY_NAME"]}
	for _, id := range append([]string{values["ID"]}, strings.Fields(values["ID_LIKE"])...) {
		if f, install := family(id); f != "" {
			d.family, d.install = f, install
			break
		}
	}
	return d
}

func family(id string) (name, install string) {
	switch id {
	case "debian", "ubuntu":
		return "debian", "apt-get install -y"
	case "fedora", "rhel", "centos":
		return "fedora", "dnf install -y"
	case "suse", "opensuse", "sles":
		return "suse", "zypper install -y"
	case "arch":
		return "arch", "pacman -S --needed --noconfirm"
	case "alpine":
		return "alpine", "apk add"
	}
	return "", ""
}

// packageOf is what holds a program, by family of distributions; the program's name where nothing else is known.
func (d distribution) packageOf(program string) string {
	names := map[string]map[string]string{
		"newuidmap": {"debian": "uidmap", "fedora": "shadow-utils", "suse": "shadow", "arch": "shadow", "alpine": "shadow-uidmap"},
		"pasta":     {"debian": "passt", "fedora": "passt", "suse": "passt", "arch": "passt", "alpine": "passt"},
		"user bus":  {"debian": "dbus-user-session", "fedora": "dbus-daemon", "suse": "dbus-1-daemon", "arch": "dbus"},
	}
	if name := names[program][d.family]; name != "" {
		return name
	}
	return program
}

// installLine is the command for packages, a comment where the distribution is not known.
func (d distribution) installLine(packages []string) string {
	slices.Sort(packages)
	names := strings.Join(slices.Compact(packages), " ")
	if d.install == "" {
		return "# install: " + names
	}
	return d.install + " " + names
}
