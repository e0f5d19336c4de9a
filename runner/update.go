package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/runner/spec"
)

// UpdateOptions are what `update` changes; what is zero stays as it is.
type UpdateOptions struct {
	Limits  spec.Limits
	Restart *string // as --restart takes it
}

// Update changes the limits and the restart policy of a container: at once if
// it runs, and for each later start. A limit that cannot be enforced is refused
// by name, and nothing is changed. The caller is in the user namespace.
func (s Store) Update(ctx context.Context, id string, o UpdateOptions) (notes []string, err error) {
	request := Request{Op: OpUpdate, ID: id, Update: &o}
	err = s.change(ctx, request, &notes, func(v View) error {
		next, err := updated(v.Container, o)
		if err == nil {
			err = cgroup2.Refused(ctx, next.Spec.Linux.Resources)
		}
		if err != nil {
			return err
		}
		if err := s.saveContainer(next); err != nil {
			return err
		}
		s.Record(next, "update")
		return nil
	})
	return notes, err
}

// updated returns the changed description. What c shares with others stays as
// it is.
func updated(c Container, o UpdateOptions) (Container, error) {
	host, err := spec.LocalHost()
	if err != nil {
		return c, err
	}
	c.Options.Limits = overlay(c.Options.Limits, o.Limits)
	own, linux := *c.Spec, *c.Spec.Linux
	c.Spec, own.Linux = &own, &linux
	if linux.Resources, err = c.Options.Limits.Resources(host.CPUs); err != nil || o.Restart == nil {
		return c, err
	}
	if c.AutoRemove {
		return c, errors.New("--restart: a container with --rm is gone when it ends, and cannot be restarted")
	}
	c.Options.Restart = *o.Restart
	return c, setRestart(c.Spec, *o.Restart)
}

func setRestart(s *specs.Spec, policy string) error {
	facts, err := spec.FactsOf(s)
	if err != nil {
		return err
	}
	if facts.Restart, err = spec.ParseRestart(policy); err != nil {
		return err
	}
	annotations := make(map[string]string, len(s.Annotations))
	for key, value := range s.Annotations {
		annotations[key] = value
	}
	s.Annotations = annotations
	return spec.SetFacts(s, facts)
}

// overlay returns old with what is set in l.
func overlay(old, l spec.Limits) spec.Limits {
	for _, x := range []struct {
		to   *string
		from string
	}{
		{&old.Memory, l.Memory}, {&old.MemorySwap, l.MemorySwap}, {&old.MemoryReservation, l.MemoryReservation},
		{&old.CPUs, l.CPUs}, {&old.CPUSetCPUs, l.CPUSetCPUs}, {&old.CPUSetMems, l.CPUSetMems},
	} {
		if x.from != "" {
			*x.to = x.from
		}
	}
	for _, x := range []struct {
		to   *int64
		from int64
	}{{&old.CPUShares, l.CPUShares}, {&old.CPUPeriod, l.CPUPeriod}, {&old.CPUQuota, l.CPUQuota}} {
		if x.from != 0 {
			*x.to = x.from
		}
	}
	if l.PidsLimit != nil {
		old.PidsLimit = l.PidsLimit
	}
	if l.BlkioWeight != 0 {
		old.BlkioWeight = l.BlkioWeight
	}
	for _, x := range []struct {
		to   *[]string
		from []string
	}{
		{&old.BlkioWeightDevice, l.BlkioWeightDevice}, {&old.DeviceReadBps, l.DeviceReadBps},
		{&old.DeviceWriteBps, l.DeviceWriteBps}, {&old.DeviceReadIOps, l.DeviceReadIOps},
		{&old.DeviceWriteIOps, l.DeviceWriteIOps},
	} {
		*x.to = overlayDevices(*x.to, x.from)
	}
	return old
}

// overlayDevices replaces the DEVICE:VALUE words of devices that are named anew.
func overlayDevices(old, words []string) []string {
	list := slices.Clone(old)
	for _, word := range words {
		device, _, _ := strings.Cut(word, ":")
		list = slices.DeleteFunc(list, func(w string) bool { return strings.HasPrefix(w, device+":") })
		list = append(list, word)
	}
	return list
}

// updateRunning is Update by the monitor of a running container.
func (m *monitor) updateRunning(o UpdateOptions) Reply {
	m.changing.Lock()
	defer m.changing.Unlock()
	next, err := updated(m.Container, o)
	if err != nil {
		return replyOf(err)
	}
	limits, before := next.Spec.Linux.Resources, m.Spec.Linux.Resources
	l, between := m.present()
	if between != nil {
		// The next life, which is about to begin, has them.
		if err := cgroup2.Refused(context.Background(), limits); err != nil {
			return replyOf(err)
		}
	} else if err := l.group.Update(limits); err != nil {
		if l.group != nil && before != nil {
			_ = l.group.Update(before) // some may have been set
		}
		return replyOf(err)
	}
	if err := m.store.saveContainer(next); err != nil {
		return replyOf(fmt.Errorf("the limits hold until the container ends, but could not be stored: %w", err))
	}
	m.Container = next
	m.facts, _ = spec.FactsOf(next.Spec) // read and written before without an error
	reply := Reply{ID: m.ID}
	if between == nil {
		reply.Notes = m.updateMemory(l, limits)
	}
	m.store.Record(next, "update")
	return reply
}

// updateMemory watches the memory limit anew where that is the monitor's task.
func (m *monitor) updateMemory(l *life, limits *specs.LinuxResources) (notes []string) {
	m.mu.Lock()
	m.State.Limit = memoryLimit(limits)
	watched := cgroup2.WatchLimit(l.group, limits)
	if watched > 0 && !m.State.MemorySampled {
		notes = []string{cgroup2.WatchNotice(watched)}
	}
	m.State.MemorySampled = watched > 0
	m.save()
	m.mu.Unlock()
	if m.unwatch != nil {
		m.unwatch()
	}
	m.watchMemory(context.Background())
	return notes
}

// memoryLimit is --memory in bytes, 0 for none.
func memoryLimit(r *specs.LinuxResources) int64 {
	if r == nil || r.Memory == nil || r.Memory.Limit == nil {
		return 0
	}
	return *r.Memory.Limit
}
