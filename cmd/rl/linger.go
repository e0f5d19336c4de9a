package main

import (
	"os"
	"os/user"

	"github.com/alecthomas/kong"

	"github.com/rl-project/rl/runner/spec"
)

// optionalValue is a flag that may stand without a value, for true.
type optionalValue string

// IsBool lets kong accept the flag alone.
func (*optionalValue) IsBool() bool { return true }

// Decode takes the value after the equals sign, if there is one.
func (v *optionalValue) Decode(ctx *kong.DecodeContext) error {
	*v = "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		*v = optionalValue(ctx.Scan.Pop().String())
	}
	return nil
}

// noteLogout says of a container that is to stay up when it will not.
func (a *app) noteLogout(restart, id string) {
	policy, err := spec.ParseRestart(restart)
	if err != nil || policy.None() || a.places.UID == 0 {
		return
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		a.warnf("nothing starts it after a reboot: this machine has no systemd")
		return
	}
	a.noteLinger()
	a.warnf("to have it started after a reboot: rl systemd install --enable %.12s", id)
}

// noteLinger says when systemd ends what a person runs with the last session.
func (a *app) noteLinger() {
	me, err := user.Current()
	if err != nil || me.Uid == "0" {
		return
	}
	if _, err := os.Stat("/var/lib/systemd/linger/" + me.Username); err != nil {
		a.warnf("it ends when you log out, and does not start at boot; to change that: loginctl enable-linger")
	}
}
