package main

import (
	"fmt"
	"os"
	"testing"
)

func TestUserUnit(t *testing.T) {
	mine := fmt.Sprintf("0::/user.slice/user-1.slice/user@%d.service", os.Getuid())
	for group, want := range map[string]string{
		mine + "/app.slice/web.service\n":                           "web.service",
		mine + "/app.slice/web.service/supervisor\n":                "web.service",
		mine + "/app.slice/app-many.slice/many@1.service/rl-0123\n": "many@1.service",
		"12:cpu:/\n" + mine + "/app.slice/web.service\n":            "web.service",
		mine + "/app.slice/rl-0123.scope/container\n":               "",
		mine + "\n":                      "",
		"0::/system.slice/web.service\n": "",
		"0::/user.slice/user-1.slice/session-3.scope\n":                  "",
		"0::/user.slice/user@98765.service/app.slice/web.service/main\n": "",
		"": "",
	} {
		if got := userUnitOf(group); got != want {
			t.Errorf("%q is of %q, want %q", group, got, want)
		}
	}
}
