package spec

import (
	"fmt"
	"path/filepath"
	"strings"
)

// ParseVolume reads the value of -v: SOURCE:TARGET[:OPTIONS], or TARGET alone for an anonymous volume. SOURCE is
// a path when it begins with / or a dot (then relative to dir), a volume's name otherwise.
func ParseVolume(s, dir string) (Mount, error) {
	m, err := parseVolume(s, dir)
	if err != nil {
		return m, fmt.Errorf("invalid volume %q: %w", s, err)
	}
	return m, nil
}

func parseVolume(s, dir string) (Mount, error) {
	m := Mount{Kind: KindVolume}
	var err error
	parts := strings.Split(s, ":")
	switch len(parts) {
	case 1:
		m.Target, err = target(parts[0])
		return m, err
	case 2:
	case 3:
		if parts[2] == "" {
			return m, fmt.Errorf("the options after the second colon are empty")
		}
		err = m.volumeOptions(parts[2])
	default:
		return m, fmt.Errorf("too many colons; write SOURCE:TARGET[:OPTIONS], or --mount for paths with colons")
	}
	if err != nil {
		return m, err
	}
	if m.Target, err = target(parts[1]); err != nil {
		return m, err
	}
	if err := m.setSource(parts[0], dir); err != nil {
		return m, err
	}
	return m, m.checkKind()
}

func (m *Mount) setSource(source, dir string) error {
	switch {
	case source == "":
		return fmt.Errorf("the source before the colon is empty")
	case strings.ContainsRune(source, 0):
		return fmt.Errorf("the source contains a zero byte")
	case filepath.IsAbs(source):
		m.Kind, m.Source = KindBind, filepath.Clean(source)
	case source == "." || source == ".." || strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../"):
		m.Kind, m.Source = KindBind, filepath.Join(dir, source)
	default:
		m.Source = source
		return checkVolumeName(source)
	}
	m.CreateSource = true
	return nil
}

// checkVolumeName is whether a volume may have that name.
func checkVolumeName(name string) error {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return fmt.Errorf("%q is not a volume's name (letters, digits, then also _ . -); for a directory write its "+
				"absolute path or ./%s", name, name)
		}
	}
	if len(name) < 2 {
		return fmt.Errorf("%q is not a volume's name: it needs two characters or more", name)
	}
	return nil
}

// volumeOptions reads the comma-separated options of -v.
func (m *Mount) volumeOptions(options string) error {
	access := ""
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "ro", "rw":
			if access != "" {
				return fmt.Errorf("%s and %s: give one", access, o)
			}
			access = o
			m.ReadOnly = o == "ro"
		case "z", "Z": // SELinux labels: the caller may not set them, and files keep theirs
		case "consistent", "cached", "delegated": // of Docker Desktop
		case "nocopy":
			m.NoCopy = true
		default:
			if !propagation(o) {
				return fmt.Errorf("unknown option %q; known are ro, rw, z, Z, nocopy, [r]private, [r]shared, [r]slave", o)
			}
			if m.Propagation != "" {
				return fmt.Errorf("%s and %s: give one propagation", m.Propagation, o)
			}
			m.Propagation = o
		}
	}
	return nil
}

func propagation(o string) bool {
	switch o {
	case "private", "rprivate", "shared", "rshared", "slave", "rslave":
		return true
	}
	return false
}

// checkKind refuses options that do nothing for this kind of mount.
func (m *Mount) checkKind() error {
	if m.Kind == KindBind && m.NoCopy {
		return fmt.Errorf("nocopy is for volumes, and the source is a path")
	}
	if m.Kind == KindVolume && m.Propagation != "" {
		return fmt.Errorf("%s is for paths, and the source is the name of a volume", m.Propagation)
	}
	return nil
}
