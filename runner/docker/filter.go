package docker

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage"
)

// Filter chooses containers as `ps --filter` does: of several filters with one
// name any is enough, except that all labels are needed.
type Filter struct {
	// All is whether a filter asked about containers that do not run.
	All bool
	// Whole is whether a filter looks at what Glance leaves out.
	Whole bool

	tests map[string][]test
}

type test func(runner.View) bool

// makers are the filters there are, by name.
var makers = map[string]func(store runner.Store, value string) (test, error){
	"id":       filterID,
	"name":     filterName,
	"label":    filterLabel,
	"status":   filterStatus,
	"exited":   filterExited,
	"ancestor": filterAncestor,
	"before":   filterBefore,
	"since":    filterSince,
	"volume":   filterVolume,
	"network":  filterNetwork,
	"publish":  filterPublish,
	"expose":   filterExpose,
	"health":   filterHealth,
}

// FilterNames lists the names of filters.
func FilterNames() []string {
	return []string{"id", "name", "label", "status", "exited", "ancestor", "before", "since", "volume", "network",
		"publish", "expose", "health"}
}

// ParseFilters reads filters such as "status=running". Those that name another
// container find it in store.
func ParseFilters(store runner.Store, words []string) (Filter, error) {
	f := Filter{tests: make(map[string][]test)}
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		maker := makers[name]
		if maker == nil {
			return f, fmt.Errorf("unknown filter %q: there are %s", name, strings.Join(FilterNames(), ", "))
		}
		if !found {
			return f, fmt.Errorf("filter %q is not like %s=VALUE", word, name)
		}
		t, err := maker(store, strings.TrimSpace(value))
		if err != nil {
			return f, fmt.Errorf("filter %q: %w", word, err)
		}
		f.tests[name] = append(f.tests[name], t)
		f.All = f.All || name == "status"
		f.Whole = f.Whole || name == "ancestor" || name == "volume"
	}
	return f, nil
}

// Match reports whether the filter lets a container through.
func (f Filter) Match(v runner.View) bool {
	for name, tests := range f.tests {
		passed := func(t test) bool { return t(v) }
		if name == "label" {
			if slices.ContainsFunc(tests, func(t test) bool { return !t(v) }) {
				return false
			}
		} else if !slices.ContainsFunc(tests, passed) {
			return false
		}
	}
	return true
}

func filterID(_ runner.Store, value string) (test, error) {
	re, err := regexp.Compile("^(?:" + value + ")")
	return func(v runner.View) bool { return re.MatchString(v.ID) }, err
}

// filterName: patterns written for Docker may begin with the slash that its
// names have inside.
func filterName(_ runner.Store, value string) (test, error) {
	re, err := regexp.Compile(value)
	return func(v runner.View) bool { return re.MatchString(v.Name) || re.MatchString("/"+v.Name) }, err
}

func filterLabel(_ runner.Store, value string) (test, error) {
	key, want, valued := strings.Cut(value, "=")
	return func(v runner.View) bool {
		have, ok := v.Config.Labels[key]
		return ok && (!valued || have == want)
	}, nil
}

func filterStatus(_ runner.Store, value string) (test, error) {
	known := []string{"created", "restarting", "running", "removing", "paused", "exited", "dead"}
	if !slices.Contains(known, value) {
		return nil, fmt.Errorf("a status is one of %s", strings.Join(known, ", "))
	}
	return func(v runner.View) bool { return string(v.Status) == value }, nil
}

func filterExited(_ runner.Store, value string) (test, error) {
	code, err := strconv.Atoi(value)
	if err != nil {
		return nil, fmt.Errorf("%q is not an exit code", value)
	}
	return func(v runner.View) bool { return v.Status == runner.Exited && v.ExitCode == code }, nil
}

// filterAncestor finds the containers of an image and of those built on it.
func filterAncestor(store runner.Store, value string) (test, error) {
	if img, err := storage.Lookup(store.Data, value, ""); err == nil {
		return func(v runner.View) bool {
			from := len(v.RootFS.Layers) - len(img.Layers)
			return v.RootFS.ID == img.ID || from > 0 && slices.Equal(v.RootFS.Layers[from:], img.Layers)
		}, nil
	}
	// Nothing is known of such an image: it may have been removed.
	name, err := storage.NormalizeReference(value)
	digits, isID := storage.IDPrefix(value)
	if err != nil && !isID {
		return nil, err
	}
	return func(v runner.View) bool {
		return name != "" && slices.Contains(v.RootFS.Names, name) || isID && strings.HasPrefix(v.RootFS.ID, digits)
	}, nil
}

func filterBefore(store runner.Store, value string) (test, error) {
	other, err := store.Find(value)
	return func(v runner.View) bool { return v.Created.Before(other.Created) }, err
}

func filterSince(store runner.Store, value string) (test, error) {
	other, err := store.Find(value)
	return func(v runner.View) bool { return v.Created.After(other.Created) }, err
}

func filterVolume(_ runner.Store, value string) (test, error) {
	return func(v runner.View) bool {
		return slices.ContainsFunc(Mounts(v), func(m Mount) bool {
			return m.Name != "" && m.Name == value || m.Source == value || m.Destination == path.Clean(value)
		})
	}, nil
}

func filterNetwork(_ runner.Store, value string) (test, error) {
	return func(v runner.View) bool {
		return slices.Contains(networks(v), value) || slices.ContainsFunc(Attachments(v), func(a slirp.Attachment) bool {
			return a.NetworkID != "" && strings.HasPrefix(a.NetworkID, value)
		})
	}, nil
}

func filterPublish(_ runner.Store, value string) (test, error) {
	in, err := portTest(value)
	return func(v runner.View) bool {
		return slices.ContainsFunc(Published(v), func(p slirp.PortMapping) bool { return in(p.Host, p.Protocol) })
	}, err
}

func filterExpose(_ runner.Store, value string) (test, error) {
	in, err := portTest(value)
	return func(v runner.View) bool {
		if slices.ContainsFunc(Published(v), func(p slirp.PortMapping) bool { return in(p.Container, p.Protocol) }) {
			return true
		}
		for port := range v.Config.ExposedPorts {
			number, protocol, _ := strings.Cut(withProtocol(port), "/")
			if n, err := strconv.ParseUint(number, 10, 16); err == nil && in(uint16(n), protocol) {
				return true
			}
		}
		return false
	}, err
}

// portTest reads PORT[-LAST][/PROTOCOL].
func portTest(value string) (func(port uint16, protocol string) bool, error) {
	numbers, wanted, _ := strings.Cut(withProtocol(value), "/")
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || to < from {
		return nil, fmt.Errorf("%q is not like PORT[-LAST][/tcp|/udp]", value)
	}
	return func(port uint16, protocol string) bool {
		return protocol == wanted && uint64(port) >= from && uint64(port) <= to
	}, nil
}

func filterHealth(_ runner.Store, value string) (test, error) {
	known := []string{"none", "starting", "healthy", "unhealthy"}
	if !slices.Contains(known, value) {
		return nil, fmt.Errorf("a health is one of %s", strings.Join(known, ", "))
	}
	return func(v runner.View) bool { return string(Healthiness(v)) == value || v.Health == "" && value == "none" }, nil
}
