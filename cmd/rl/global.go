package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// globalFlags takes the flags that Docker's command line has before the command
// off args, so that scripts that give them work: what can be honoured is, what
// asks for nothing that is not so anyway is accepted, and the rest is refused
// with the reason.
func globalFlags(args []string) ([]string, error) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, joined := strings.Cut(args[0], "=")
		flag, known := globals[name]
		if !known {
			return args, nil
		}
		args = args[1:]
		if flag.takes && !joined {
			if len(args) == 0 {
				return nil, usagef("%s needs a value\nSee 'rl --help'", name)
			}
			value, args = args[0], args[1:]
		}
		if err := flag.honour(name, value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// A global is a flag of Docker's own. honour does what it asks for or says why not.
type global struct {
	takes  bool
	honour func(name, value string) error
}

var globals = map[string]global{
	"--config":    {true, setConfigFolder},
	"--context":   {true, onlyDefaultContext},
	"-c":          {true, onlyDefaultContext},
	"--log-level": {true, onlyUsualMessages},
	"-l":          {true, onlyUsualMessages},
	"-D":          {false, noDebugging},
	"--debug":     {false, noDebugging},
	"--host":      {true, noDaemon},
	"-H":          {true, noDaemon},
	"--tls":       {false, noDaemon},
	"--tlsverify": {false, noDaemon},
	"--tlscacert": {true, noDaemon},
	"--tlscert":   {true, noDaemon},
	"--tlskey":    {true, noDaemon},
}

// setConfigFolder has registries' passwords read and written in another folder.
func setConfigFolder(name, value string) error {
	folder, err := filepath.Abs(value)
	if err != nil || value == "" {
		return usagef("%s %q is not a folder", name, value)
	}
	return os.Setenv("DOCKER_CONFIG", folder)
}

func onlyDefaultContext(name, value string) error {
	if value == "default" {
		return nil
	}
	return usagef("%s %s: there are no contexts, rl runs containers on this machine only: leave it out, or say default", name, value)
}

func onlyUsualMessages(name, value string) error {
	if value == "info" {
		return nil
	}
	if !slices.Contains([]string{"debug", "warn", "error", "fatal"}, value) {
		return usagef("%s %q: choose debug, info, warn, error or fatal", name, value)
	}
	return usagef("%s %s: rl always says as much as at info: leave it out, or say info", name, value)
}

func noDebugging(name, _ string) error {
	return usagef("%s: there is nothing more to say than rl says: leave it out; rl check tells what does not work here", name)
}

func noDaemon(name, _ string) error {
	return usagef("%s names a daemon, and there is none: leave it out, rl runs containers itself", name)
}
