//go:build !split && containers_image_openpgp

package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/runner/spec"
)

// private reads what RUNs get to see and images do not: --secret and --ssh, and
// what a Dockerfile may ask for.
func (c *buildCmd) private(o *build.Options) (err error) {
	rights := []string{"network.host", "security.insecure", "device"}
	for _, right := range c.Allow {
		if device, ok := strings.CutPrefix(right, "device="); !slices.Contains(rights, right) && (!ok || device == "") {
			return fmt.Errorf("--allow %q: there are %s and device=NAME", right, strings.Join(rights, ", "))
		}
	}
	for _, host := range c.AddHost {
		if _, err := spec.ParseExtraHost(host); err != nil {
			return err
		}
	}
	if !slices.Contains([]string{"default", "none", "host"}, c.Network) {
		return fmt.Errorf("--network %s: a build knows default, none and host", c.Network)
	}
	o.Allow = c.Allow
	for _, dir := range cdiDirs() {
		o.CDIDirs = append(o.CDIDirs, lentPath(dir))
	}
	if o.Secrets, err = secrets(c.Secret); err != nil {
		return err
	}
	if o.Named, err = contexts(c.BuildContext); err != nil {
		return err
	}
	log.SetOutput(io.Discard) // where the server of agents says what it refused
	// Named by this process, for programs that it starts.
	o.KnownHosts = strings.Replace(lentPath(knownHosts()), "/proc/self/", "/proc/"+strconv.Itoa(os.Getpid())+"/", 1)
	o.SSH, err = agents(c.SSH)
	return err
}

// mostSecret is how large a secret may be, as with BuildKit.
const mostSecret = 500 << 10

// secrets reads --secret id=ID[,src=FILE|,env=NAME].
func secrets(list []string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, text := range list {
		id, content, err := secret(text)
		if err != nil {
			return nil, err
		}
		found[id] = content
	}
	return found, nil
}

func secret(text string) (id string, content []byte, err error) {
	fields, err := secretFields(text)
	if err != nil {
		return "", nil, err
	}
	id, file, env := fields["id"], fields["src"], fields["env"]
	if file != "" && fields["type"] == "env" {
		file, env = "", file
	}
	if file == "" && env == "" {
		// As Docker has it: the variable of that name, or else the file.
		if _, ok := os.LookupEnv(id); ok {
			env = id
		} else {
			file = id
		}
	}
	if file == "" {
		value, ok := os.LookupEnv(env)
		if !ok {
			return "", nil, fmt.Errorf("--secret id=%s: the variable %s is not set", id, env)
		}
		return id, []byte(value), nil
	}
	content, err = readAtMost(file, mostSecret)
	if err != nil {
		return "", nil, fmt.Errorf("--secret id=%s: %w", id, err)
	}
	return id, content, nil
}

func secretFields(text string) (map[string]string, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		if key == "source" {
			key = "src"
		}
		if value == "" || !slices.Contains([]string{"id", "src", "env", "type"}, key) {
			return nil, fmt.Errorf("--secret %q is not like id=ID,src=FILE or id=ID,env=NAME", text)
		}
		fields[key] = value
	}
	if kind := fields["type"]; kind != "" && kind != "file" && kind != "env" {
		return nil, fmt.Errorf("--secret %q: type=%s is neither file nor env", text, kind)
	}
	if fields["id"] == "" {
		return nil, fmt.Errorf("--secret %q has no id=", text)
	}
	return fields, nil
}

// readAtMost reads a file that must not be larger than most bytes.
func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(lentPath(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s is larger than %d KiB", file, most>>10)
	}
	return content, err
}

// agents reads --ssh ID[=SOCKET|KEY[,KEY]].
func agents(list []string) (map[string]build.SSH, error) {
	found := map[string]build.SSH{}
	for _, text := range list {
		id, files, given := strings.Cut(text, "=")
		switch {
		case id == "" || given && files == "":
			return nil, fmt.Errorf("--ssh %q is not like default or ID=SOCKET or ID=KEY", text)
		case !given && os.Getenv("SSH_AUTH_SOCK") == "":
			return nil, fmt.Errorf("--ssh %s: no agent is running (SSH_AUTH_SOCK is not set): start one, or give a key with %s=FILE", text, id)
		case !given:
			files = os.Getenv("SSH_AUTH_SOCK")
		}
		from := build.SSH{Agent: lentSocket(files)}
		for file := range strings.SplitSeq(files, ",") {
			from.Files = append(from.Files, lentPath(file))
		}
		found[id] = from
	}
	return found, nil
}
