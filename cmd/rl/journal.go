package main

import (
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
)

// journal returns what takes the output of a container that this process, in a
// unit of a person's systemd, has started: journald, with fields that tell
// whose it is. Systemd adds them by itself (LogExtraFields) for units of the
// machine only. It is nil where the output goes anywhere else.
func (a *app) journal(session *runner.Session, o streamOptions) *logs.Writer {
	if !o.begun || o.tty || !journalStream(a.stdout) || !journalStream(a.stderr) {
		return nil
	}
	unit := userUnit()
	if unit == "" {
		return nil
	}
	store, err := a.store()
	if err != nil {
		return nil
	}
	v, err := store.Load(session.ID)
	if err != nil {
		return nil
	}
	to := logs.Options{Driver: logs.Journald, Fields: logs.FieldsOf(logs.About{Container: v.ID, Called: v.Name, Image: v.Image}, "")}
	if v.Log.Driver == logs.Journald { // which has it from the monitor
		to = logs.Options{Driver: logs.None}
	} else {
		// By this journalctl --user -u finds the message also when journald
		// reads it after this process has ended.
		to.Fields["USER_UNIT"] = unit
	}
	w, err := logs.Open("", to, nil)
	if err != nil {
		return nil // the stream to the journal that there is does without fields
	}
	return w
}

// journalStream reports whether a file is the stream to the journal that
// systemd has given this process (systemd.exec(5)).
func journalStream(f *os.File) bool {
	var st unix.Stat_t
	given := os.Getenv("JOURNAL_STREAM")
	return given != "" && unix.Fstat(int(f.Fd()), &st) == nil && given == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// userUnit is the unit of the person's systemd that this process is in, "" for
// none.
func userUnit() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return userUnitOf(string(text))
}

// userUnitOf finds it in the content of /proc/PID/cgroup.
func userUnitOf(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		_, group, ok := strings.Cut(strings.TrimSpace(line), fmt.Sprintf("/user@%d.service/", os.Getuid()))
		for ; ok && group != "." && group != "/"; group = path.Dir(group) {
			if name := path.Base(group); strings.HasSuffix(name, ".service") {
				return name
			}
		}
	}
	return ""
}
