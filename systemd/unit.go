// Package systemd writes the units that run containers: service files for
// containers that exist, and for what Quadlet files of Podman describe.
//
// It makes text of text and touches nothing: reading and writing files and
// talking to systemd is for the caller.
package systemd

import (
	"fmt"
	"strings"
	"time"
)

// Unit is a unit file. Sections and keys stay in the order they are added in.
type Unit struct {
	// Name is that of the file, "web.service".
	Name     string
	sections []section
}

type section struct {
	name  string
	lines []string
}

// Mark is the first line of each unit that is written here.
const Mark = "# Written by rl systemd install."

// Add appends KEY=VALUE to a section, which is made if it is missing.
func (u *Unit) Add(section, key, value string) {
	u.addLine(section, key+"="+value)
}

func (u *Unit) addLine(name, line string) {
	for i := range u.sections {
		if u.sections[i].name == name {
			u.sections[i].lines = append(u.sections[i].lines, line)
			return
		}
	}
	u.sections = append(u.sections, section{name, []string{line}})
}

// Has reports whether a section has the key.
func (u *Unit) Has(section, key string) bool {
	for _, s := range u.sections {
		for _, line := range s.lines {
			if s.name == section && strings.HasPrefix(line, key+"=") {
				return true
			}
		}
	}
	return false
}

// String is the content of the unit's file.
func (u *Unit) String() string {
	var b strings.Builder
	b.WriteString(Mark + "\n")
	for _, s := range u.sections {
		fmt.Fprintf(&b, "\n[%s]\n%s\n", s.name, strings.Join(s.lines, "\n"))
	}
	return b.String()
}

// StoppedCode is the exit code by which `rl start` and `rl run` tell systemd
// that a person stopped the container: it is not to be started again.
const StoppedCode = 200

// Container describes a container for which a unit is written.
type Container struct {
	Program string // absolute path of rl
	Name    string // of the container
	Image   string
	// Restart is the restart policy by name: no, on-failure, always, unless-stopped.
	Restart string
	// StopTimeout is how long the container has to stop; negative is for ever.
	StopTimeout time.Duration
	// Notify is whether the container itself says when it is ready.
	Notify bool
	// BackOff is whether systemd can wait longer from one restart to the next,
	// see BackOffVersion.
	BackOff bool
	// Needs are the units that must run before it.
	Needs []string
}

// ForContainer returns the unit that keeps an existing container running.
func ForContainer(c Container) *Unit {
	u := &Unit{Name: c.Name + ".service"}
	u.Add("Unit", "Description", "Container "+c.Name+" of "+c.Image)
	u.need(c.Needs)
	name := quoteWord(c.Name)
	u.Add("Service", "ExecCondition", quoteWord(c.Program)+" systemd may-start "+name)
	u.Add("Service", "ExecStart", quoteWord(c.Program)+" start --attach "+name)
	u.Add("Service", "ExecStop", quoteWord(c.Program)+" stop "+name)
	u.service(c)
	u.again(c)
	u.Add("Install", "WantedBy", "default.target")
	return u
}

// BackOffVersion is the first systemd that knows RestartSteps.
const BackOffVersion = 254

// again says when systemd starts the container again: after a second, and where
// it can be said, after up to a minute when it goes on failing. Systemd itself
// would give up after five starts within ten seconds.
func (u *Unit) again(c Container) {
	if restartOf(c.Restart) == "no" {
		return
	}
	u.Add("Unit", "StartLimitIntervalSec", "0")
	u.Add("Service", "RestartSec", "1")
	if c.BackOff {
		u.Add("Service", "RestartSteps", "6")
		u.Add("Service", "RestartMaxDelaySec", "60")
	}
}

func (u *Unit) need(units []string) {
	for _, name := range units {
		u.Add("Unit", "Requires", name)
		u.Add("Unit", "After", name)
	}
}

// service adds what all services of containers have in common: they say when
// they are ready, own their part of the cgroup tree, and write to the journal
// under the container's name.
func (u *Unit) service(c Container) {
	access := "main"
	if c.Notify {
		access = "all"
	}
	stop := "infinity"
	if c.StopTimeout >= 0 {
		stop = fmt.Sprintf("%d", int((c.StopTimeout + stopMargin).Seconds()))
	}
	for _, line := range [][2]string{
		{"Type", "notify"}, {"NotifyAccess", access}, {"Delegate", "yes"}, {"KillMode", "mixed"},
		{"Restart", restartOf(c.Restart)}, {"TimeoutStopSec", stop},
		{"SuccessExitStatus", fmt.Sprint(StoppedCode)}, {"RestartPreventExitStatus", fmt.Sprint(StoppedCode)},
		{"SyslogIdentifier", c.Name}, {"LogExtraFields", "CONTAINER_NAME=" + c.Name},
	} {
		if !u.Has("Service", line[0]) {
			u.Add("Service", line[0], line[1])
		}
	}
}

// stopMargin is how much longer than the container systemd waits.
const stopMargin = 10 * time.Second

// restartOf is the policy in systemd's word. One that is stopped by a person
// is not started again, by StoppedCode, and after a reboot by may-start.
func restartOf(policy string) string {
	switch policy {
	case "on-failure":
		return policy
	case "always", "unless-stopped":
		return "always"
	}
	return "no"
}

// quoteWord writes a word as systemd reads it in a command line: as it is if it
// can be, and "in quotes" otherwise. Percent and dollar signs are doubled,
// because systemd replaces what follows them.
func quoteWord(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	return quoteSpecifiers(word)
}

// quoteSpecifiers is quoteWord that leaves %i and $VARIABLE to systemd.
func quoteSpecifiers(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(word) + `"`
}
