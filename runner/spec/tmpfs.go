package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// parseTmpfs reads the value of --tmpfs: PATH[:OPTIONS].
func parseTmpfs(s string) (Mount, error) {
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
	options := []tmpfsOption{{"exec", "noexec"}, {"suid", "nosuid"}, {"dev", "nodev"}}
	if asked != "" {
		for _, word := range strings.Split(asked, ",") {
			o, err := parseTmpfsOption(word)
			if err != nil {
				return nil, err
			}
			same := func(have tmpfsOption) bool { return have.class == o.class }
			options = append(slices.DeleteFunc(options, same), o)
		}
	}
	var words []string
	for _, o := range options {
		if o.word != "" {
			words = append(words, o.word)
		}
	}
	return words, nil
}

// tmpfsOption is an option of which one of each class can hold.
type tmpfsOption struct {
	class string
	word  string // for the kernel; "" for how it is without a word
}

func parseTmpfsOption(word string) (tmpfsOption, error) {
	key, value, hasValue := strings.Cut(word, "=")
	if hasValue {
		return tmpfsValue(key, value)
	}
	switch word {
	case "ro":
		return tmpfsOption{"access", word}, nil
	case "rw":
		return tmpfsOption{"access", ""}, nil
	case "noexec", "nosuid", "nodev", "nodiratime":
		return tmpfsOption{word[2:], word}, nil
	case "exec", "suid", "dev", "diratime":
		return tmpfsOption{word, ""}, nil
	case "noatime", "strictatime":
		return tmpfsOption{"atime", word}, nil
	case "atime", "relatime", "norelatime", "nostrictatime":
		return tmpfsOption{"atime", ""}, nil
	case "sync", "async": // nothing is ever written to a disk
		return tmpfsOption{"sync", ""}, nil
	}
	return tmpfsOption{}, fmt.Errorf("unknown option %q", word)
}

// tmpfsValue reads KEY=VALUE. Sizes are given to the kernel as plain numbers: it does not know all of the units.
func tmpfsValue(key, value string) (tmpfsOption, error) {
	var err error
	switch key {
	case "size":
		value, err = tmpfsSize(value)
	case "nr_blocks", "nr_inodes":
		value, err = plainNumber(value)
	case "mode":
		_, err = strconv.ParseUint(value, 8, 12)
	case "uid", "gid":
		_, err = strconv.ParseUint(value, 10, 31)
	default:
		return tmpfsOption{}, fmt.Errorf("unknown option %q", key)
	}
	if err != nil {
		return tmpfsOption{}, fmt.Errorf("option %s: %q is not a valid value", key, value)
	}
	return tmpfsOption{key, key + "=" + value}, nil
}

// tmpfsSize accepts bytes with a unit, and a percentage of memory.
func tmpfsSize(s string) (string, error) {
	percent, isPercent := strings.CutSuffix(s, "%")
	if !isPercent {
		return plainNumber(s)
	}
	_, err := strconv.ParseUint(percent, 10, 16)
	return s, err
}

// plainNumber gives s back when it is not one, for the message.
func plainNumber(s string) (string, error) {
	n, err := units.RAMInBytes(s)
	if err != nil {
		return s, err
	}
	if n < 0 {
		return s, strconv.ErrRange
	}
	return strconv.FormatInt(n, 10), nil
}
