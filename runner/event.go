package runner

import (
	"cmp"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rl-project/rl/internal/events"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage/volume"
)

// Record adds what happened to a container to the record of events. more are
// names and values of attributes besides the container's name, image and labels.
func (s Store) Record(c Container, action string, more ...string) {
	events.In(s.Data).Write(containerEvent(c, action, more...))
}

func containerEvent(c Container, action string, more ...string) events.Event {
	attributes := make(map[string]string, len(c.Config.Labels)+2+len(more)/2)
	maps.Copy(attributes, c.Config.Labels)
	attributes["name"], attributes["image"] = c.Name, c.Image
	for i := 0; i+1 < len(more); i += 2 {
		attributes[more[i]] = more[i+1]
	}
	return events.Event{
		Type: events.Container, Action: action, TimeNano: time.Now().UnixNano(),
		Actor: events.Actor{ID: c.ID, Attributes: attributes},
	}
}

func (m *monitor) record(action string, more ...string) {
	events.In(m.store.Data).Write(m.event(action, more...))
}

func (m *monitor) event(action string, more ...string) events.Event {
	m.changing.RLock()
	defer m.changing.RUnlock()
	return containerEvent(m.Container, action, more...)
}

// recordStart writes down that the container runs, and on which network.
func (m *monitor) recordStart() {
	var list []events.Event
	if m.State.Restarts == 0 {
		list = append(m.networkEvents("connect"), m.volumeEvents("mount")...)
	}
	events.In(m.store.Data).Write(append(list, m.event("start"))...)
}

// recordEnd writes down the end of a life of the container.
func (m *monitor) recordEnd(st State) {
	var list []events.Event
	if st.OOMKilled && !st.MemorySampled { // one that was sampled is recorded already
		list = append(list, m.event("oom"))
	}
	ran := int(st.FinishedAt.Sub(st.StartedAt).Seconds())
	about := []string{"exitCode", strconv.Itoa(st.ExitCode), "execDuration", strconv.Itoa(ran)}
	if why := st.Reason(); why != "" {
		about = append(about, "reason", why)
	}
	list = append(list, m.event("die", about...))
	if !st.Restarting {
		list = append(append(list, m.networkEvents("disconnect")...), m.volumeEvents("unmount")...)
	}
	if (st.Stopped || m.byUnit) && !m.killed {
		list = append(list, m.event("stop"))
	}
	events.In(m.store.Data).Write(list...)
}

func (m *monitor) recordKill(s syscall.Signal) {
	m.record("kill", "signal", strconv.Itoa(int(s)))
}

// networkEvents are about the networks that the container is on.
func (m *monitor) networkEvents(action string) []events.Event {
	return m.eventsOf(action, m.attachments()...)
}

func (m *monitor) eventsOf(action string, attachments ...slirp.Attachment) (list []events.Event) {
	for _, a := range attachments {
		list = append(list, events.Event{
			Type: events.Network, Action: action, TimeNano: time.Now().UnixNano(),
			Actor: events.Actor{ID: cmp.Or(a.NetworkID, a.Network), Attributes: map[string]string{
				"container": m.ID, "name": a.Network, "type": slirp.DefaultNetwork,
			}},
		})
	}
	return list
}

// recordNetworks writes down a change while the container runs.
func (m *monitor) recordNetworks(action string, a slirp.Attachment) {
	events.In(m.store.Data).Write(m.eventsOf(action, a)...)
}

// volumeEvents are about the volumes that the container mounts.
func (m *monitor) volumeEvents(action string) []events.Event {
	var list []events.Event
	for _, v := range m.facts.Volumes {
		attributes := map[string]string{"container": m.ID, "driver": volume.Driver}
		if action == "mount" {
			attributes["destination"], attributes["propagation"] = v.Target, v.Propagation
			attributes["read/write"] = strconv.FormatBool(!v.ReadOnly)
		}
		list = append(list, events.Event{
			Type: events.Volume, Action: action, TimeNano: time.Now().UnixNano(),
			Actor: events.Actor{ID: v.Source, Attributes: attributes},
		})
	}
	return list
}

// execRecorder returns what writes down one command of exec: that it runs or
// could not be started, and then with what code it ended.
func (m *monitor) execRecorder(args []string) func(end error) {
	command, id, running := strings.Join(args, " "), newID(), false
	about := func(action string, more ...string) events.Event {
		return m.event(action, append(more, "execID", id)...)
	}
	return func(end error) {
		var list []events.Event
		if !running {
			list = append(list, about("exec_create: "+command))
		}
		if end == nil {
			list, running = append(list, about("exec_start: "+command)), true
		} else {
			list = append(list, about("exec_die", "exitCode", strconv.Itoa(replyOf(end).Code)))
		}
		events.In(m.store.Data).Write(list...)
	}
}
