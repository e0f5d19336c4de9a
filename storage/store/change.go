package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/sys/signal"
)

// apply changes an image's configuration by one Dockerfile instruction, as
// `import -c` takes them.
func (c *dockerConfig) apply(change string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(change), " ")
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return badChange(change, "it needs an argument")
	}
	switch strings.ToUpper(word) {
	case "CMD":
		c.Cmd = commandLine(rest)
	case "ENTRYPOINT":
		c.Entrypoint = commandLine(rest)
	case "USER":
		c.User = rest
	case "WORKDIR":
		if !path.IsAbs(rest) {
			rest = path.Join("/", c.WorkingDir, rest)
		}
		c.WorkingDir = rest
	case "STOPSIGNAL":
		if _, err := signal.ParseSignal(rest); err != nil {
			return badChange(change, "there is no such signal")
		}
		c.StopSignal = rest
	case "ONBUILD":
		c.OnBuild = append(c.OnBuild, rest)
	case "ENV":
		return c.applyEnv(change, rest)
	case "LABEL":
		return c.applyLabels(change, rest)
	case "EXPOSE":
		return c.applyExpose(change, rest)
	case "VOLUME":
		return c.applyVolumes(change, rest)
	case "HEALTHCHECK":
		return c.applyHealthcheck(change)
	default:
		return badChange(change, "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed")
	}
	return nil
}

func badChange(change, why string) error {
	return fmt.Errorf("%w %q: %s", ErrChange, change, why)
}

// commandLine reads the JSON form of a command, or else wraps a shell around it.
func commandLine(s string) []string {
	var args []string
	if strings.HasPrefix(s, "[") && json.Unmarshal([]byte(s), &args) == nil {
		return args
	}
	return []string{"/bin/sh", "-c", s}
}

func (c *dockerConfig) applyEnv(change, rest string) error {
	pairs, err := keyValues(rest)
	if err != nil {
		return badChange(change, err.Error())
	}
	for _, p := range pairs {
		c.Env = setVariable(c.Env, p.key, p.value)
	}
	return nil
}

// setVariable replaces a variable where it stands, or adds it.
func setVariable(env []string, key, value string) []string {
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); name == key {
			env[i] = key + "=" + value
			return env
		}
	}
	return append(env, key+"="+value)
}

func (c *dockerConfig) applyLabels(change, rest string) error {
	pairs, err := keyValues(rest)
	if err != nil {
		return badChange(change, err.Error())
	}
	labels := make(map[string]string, len(c.Labels)+len(pairs))
	maps.Copy(labels, c.Labels)
	for _, p := range pairs {
		labels[p.key] = p.value
	}
	c.Labels = labels
	return nil
}

func (c *dockerConfig) applyExpose(change, rest string) error {
	ports := make(map[string]struct{})
	maps.Copy(ports, c.ExposedPorts)
	for port := range strings.FieldsSeq(rest) {
		numbers, protocol, _ := strings.Cut(port, "/")
		first, last, isRange := strings.Cut(numbers, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if protocol = strings.ToLower(protocol); protocol == "" {
			protocol = "tcp"
		}
		if err1 != nil || err2 != nil || from == 0 || from > to || !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
			return badChange(change, port+" is not like 80, 53/udp or 8000-8010")
		}
		for n := from; n <= to; n++ {
			ports[strconv.FormatUint(n, 10)+"/"+protocol] = struct{}{}
		}
	}
	c.ExposedPorts = ports
	return nil
}

func (c *dockerConfig) applyVolumes(change, rest string) error {
	var paths []string
	if strings.HasPrefix(rest, "[") {
		if err := json.Unmarshal([]byte(rest), &paths); err != nil {
			return badChange(change, "it is not a JSON list of paths")
		}
	} else {
		paths = strings.Fields(rest)
	}
	volumes := make(map[string]struct{})
	maps.Copy(volumes, c.Volumes)
	for _, p := range paths {
		volumes[p] = struct{}{}
	}
	c.Volumes = volumes
	return nil
}

// applyHealthcheck leaves the instruction, which has flags, to BuildKit's parser.
func (c *dockerConfig) applyHealthcheck(change string) error {
	file, err := parser.Parse(strings.NewReader(change))
	if err != nil || len(file.AST.Children) != 1 {
		return badChange(change, "it is not one instruction")
	}
	parsed, err := instructions.ParseCommand(file.AST.Children[0])
	if err != nil {
		return badChange(change, oneLine(err).Error())
	}
	command, ok := parsed.(*instructions.HealthCheckCommand)
	if !ok {
		return badChange(change, "it is not HEALTHCHECK")
	}
	c.Healthcheck = (*healthcheck)(command.Health)
	return nil
}

type pair struct{ key, value string }

// keyValues reads `k=v k2="v 2"` or the old form `k v`.
func keyValues(s string) ([]pair, error) {
	words, err := splitQuoted(s)
	if err != nil {
		return nil, err
	}
	if key, value, ok := strings.Cut(s, " "); ok && !strings.Contains(words[0], "=") {
		return []pair{{key, strings.TrimSpace(value)}}, nil
	}
	var pairs []pair
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not like KEY=VALUE", w)
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, nil
}

// splitQuoted splits at blanks that are neither quoted nor escaped, and removes
// quotes and escapes.
func splitQuoted(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("it needs an argument")
	}
	return words, nil
}
