package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// errNotFound is returned for a registry that a program knows nothing of. The
// text is what such programs print (github.com/docker/docker-credential-helpers).
var errNotFound = errors.New("credentials not found")

// secret is what goes to and comes from a program.
type secret struct{ ServerURL, Username, Secret string }

// tokenUser is the user name of an identity token.
const tokenUser = "<token>"

func get(name, key string) (Login, error) {
	out, err := helper(name, "get", []byte(key))
	if err != nil {
		return Login{}, err
	}
	var s secret
	if err := json.Unmarshal(out, &s); err != nil {
		return Login{}, fmt.Errorf("credential helper docker-credential-%s get: %w", name, err)
	}
	if s.Username == tokenUser {
		return Login{Token: s.Secret}, nil
	}
	return Login{User: s.Username, Password: s.Secret}, nil
}

func store(name, key string, l Login) error {
	s := secret{key, l.User, l.Password}
	if l.Token != "" {
		s.Username, s.Secret = tokenUser, l.Token
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = helper(name, "store", data)
	return err
}

func erase(name, key string) error {
	_, err := helper(name, "erase", []byte(key))
	return err
}

// helper runs docker-credential-NAME. Such a program reads its input to the end,
// and prints its errors to standard output.
func helper(name, verb string, input []byte) ([]byte, error) {
	if strings.ContainsRune(name, '/') {
		return nil, fmt.Errorf("credential helper %q: a name without '/' is meant", name)
	}
	cmd := exec.Command("docker-credential-"+name, verb)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	out, err := cmd.Output()
	text := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		return out, nil
	case strings.Contains(text, errNotFound.Error()):
		return nil, errNotFound
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("credential helper docker-credential-%s, which the configuration of Docker or Podman names, is not installed", name)
	case text != "":
		return nil, fmt.Errorf("credential helper docker-credential-%s %s: %s", name, verb, strings.Join(strings.Fields(text), " "))
	}
	return nil, fmt.Errorf("credential helper docker-credential-%s %s: %w", name, verb, err)
}
