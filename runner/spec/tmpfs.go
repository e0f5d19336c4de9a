package spec

import (
	"fmt"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// ParseTmpfs reads the value of --tmpfs: PATH[:OPTIONS].
func ParseTmpfs(s string) (Mount, error) {
	m := Mount{Kind: KindTmpfs}
	p, options, _ := strings.Cut(s, ":")
	var err error
	if m.Target, err = target(p); err != nil {
		return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
	}
	if m.Options, err = tmpfsOptions(options); err != nil {
		return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
	}
	return m, nil
}

// tmpfsOptions overlays the safe defaults with what was asked; of two that contradict the last one counts.
func tmpfsOptions(asked string) ([]string, error) {
	options := []string{"noexec", "nosuid", "nodev"}
	if asked == "" {
		return options, nil
	}
	for _, o := range strings.Split(asked, ",") {
		kept := options[:0]
		class, err := tmpfsOption(o)
		if err != nil {
			return nil, err
		}
		for _, have := range options {
			if c, _ := tmpfsOption(have); c != class {
				kept = append(kept, have)
			}
		}
		options = append(kept, o)
	}
	return options, nil
}

// tmpfsOption checks one option and names the class of options of which only one can hold.
func tmpfsOption(o string) (class string, err error) {
	key, value, hasValue := strings.Cut(o, "=")
	if !hasValue {
		switch o {
		case "rw", "ro":
			return "rw", nil
		case "exec", "suid", "dev", "atime", "diratime":
			return o, nil
		case "noexec", "nosuid", "nodev", "noatime", "nodiratime":
			return o[2:], nil
		case "relatime", "norelatime", "strictatime", "nostrictatime":
			return "atime", nil
		case "sync", "async":
			return "sync", nil
		}
		return "", fmt.Errorf("unknown option %q", o)
	}
	switch key {
	case "size", "nr_blocks":
		_, err = tmpfsSize(value)
	case "nr_inodes":
		_, err = units.RAMInBytes(value)
	case "mode":
		_, err = strconv.ParseUint(value, 8, 12)
	case "uid", "gid":
		_, err = strconv.ParseUint(value, 10, 31)
	default:
		return "", fmt.Errorf("unknown option %q", o)
	}
	if err != nil {
		return "", fmt.Errorf("option %q: %q is not a valid value", key, value)
	}
	return key, nil
}

// tmpfsSize accepts bytes with a unit, and a percentage of memory.
func tmpfsSize(s string) (int64, error) {
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		return strconv.ParseInt(percent, 10, 32)
	}
	return units.RAMInBytes(s)
}
