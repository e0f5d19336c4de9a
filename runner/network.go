package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

// networks are the person's networks, beside the containers.
func (s Store) networks() network.Store { return network.Store{Data: s.Data} }

// planNetworks checks what a new container wants of networks, and puts names and
// ids in place of what the person typed.
func (s Store) planNetworks(o *CreateOptions) ([]network.Wish, error) {
	if len(o.Networks) == 0 {
		return s.plainNetwork(o.Options)
	}
	wishes := slices.Clone(o.Networks)
	for i := range wishes {
		if err := s.planWish(&wishes[i]); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(wishes[:i], func(w network.Wish) bool { return w.Network == wishes[i].Network }) {
			return nil, fmt.Errorf("network %s is given twice", wishes[i].Network)
		}
	}
	if !slirp.IsUplink(o.Options.Network) {
		o.Options.Network = wishes[0].Network
	}
	return wishes, nil
}

// plainNetwork is of a container for which only the mode is known.
func (s Store) plainNetwork(o spec.Options) ([]network.Wish, error) {
	switch {
	case o.Network == "none", o.Network == "host", strings.HasPrefix(o.Network, "container:"):
		return nil, nil
	case o.Network == "" || o.Network == "default" || slirp.IsUplink(o.Network):
		o.Network = slirp.DefaultNetwork
	}
	w := network.Wish{Network: o.Network}
	err := s.planWish(&w)
	return []network.Wish{w}, err
}

func (s Store) planWish(w *network.Wish) error {
	for alias, name := range w.Links {
		v, err := s.Find(name)
		if err != nil {
			return fmt.Errorf("--link: %w", err)
		}
		w.Links[alias] = v.ID
	}
	if w.Network == slirp.DefaultNetwork {
		return nil
	}
	n, err := s.networks().Find(w.Network)
	if why := network.WhyNot(w.Network); why != "" && errors.Is(err, network.ErrNotFound) {
		return fmt.Errorf("network %s: %s", w.Network, why)
	}
	if errors.Is(err, network.ErrNotFound) {
		return fmt.Errorf("network %s not found: 'rl network create %s' makes it, 'rl network ls' shows those that there are", w.Network, w.Network)
	}
	if err != nil {
		return err
	}
	if w.Network = n.Name; network.BuiltIn(n.Name) && n.Name != slirp.DefaultNetwork {
		return fmt.Errorf("network %s cannot go with others or be joined later: it is chosen alone, when a container is made", n.Name)
	}
	if w.IP.IsValid() {
		if err := n.CheckAddress(w.IP); err != nil {
			return err
		}
	}
	if w.IP6.IsValid() {
		return n.CheckAddress(w.IP6)
	}
	return nil
}

// attachNetworks connects the container with all of its networks. m.changing is
// not held.
func (m *monitor) attachNetworks(ctx context.Context, netns *os.File) error {
	m.changing.RLock()
	defer m.changing.RUnlock()
	m.State.Attachments = nil
	if len(m.Networks) == 0 {
		return nil
	}
	endpoints, unlock, err := m.endpoints(m.Networks)
	if err != nil {
		return err
	}
	defer unlock()
	options := slirp.Options{RuntimeDir: m.store.network()}
	if slirp.IsUplink(m.Options.Network) {
		options.Uplink = m.Options.Network
	}
	if m.network, err = slirp.Connect(ctx, options); err != nil {
		return failf("network: %w", err)
	}
	endpoints[wayOut(endpoints)].Ports = m.publish()
	for i, e := range endpoints {
		e.Interface = fmt.Sprintf("eth%d", i)
		a, err := m.network.Attach(ctx, netns, e)
		if err == nil && options.Uplink != "" && a.Uplink == "" {
			err = fmt.Errorf("--network %s: %s", options.Uplink, strings.Join(a.Warnings, "; "))
		}
		if err != nil {
			m.network.Close()
			return failf("%w", err)
		}
		m.State.Attachments = append(m.State.Attachments, *a)
		m.notes = append(m.notes, a.Warnings...)
	}
	return nil
}

// wayOut is which of a container's endpoints leads to the world: the first that
// does, or else the first.
func wayOut(endpoints []slirp.Endpoint) int {
	out := slices.IndexFunc(endpoints, func(e slirp.Endpoint) bool { return !internal(e) })
	return max(out, 0)
}

func internal(e slirp.Endpoint) bool { return e.Network != nil && e.Network.Internal }

// endpoints says what the container wants, in the network process's words. The
// networks cannot be removed until unlock is called; m.changing is held.
func (m *monitor) endpoints(wishes []network.Wish) (list []slirp.Endpoint, unlock func(), err error) {
	if unlock, err = m.store.useNetworks(wishes); err != nil {
		return nil, nil, failf("%w", err)
	}
	for _, w := range wishes {
		e, err := m.endpoint(w)
		if err != nil {
			unlock()
			return nil, nil, failf("%w", err)
		}
		list = append(list, e)
	}
	return list, unlock, nil
}

// useNetworks keeps networks from being removed until unlock is called.
func (s Store) useNetworks(wishes []network.Wish) (unlock func(), err error) {
	if !slices.ContainsFunc(wishes, func(w network.Wish) bool { return w.Network != slirp.DefaultNetwork }) {
		return func() {}, nil
	}
	lock, err := s.networks().Use()
	return func() { lock.Close() }, err
}

func (m *monitor) endpoint(w network.Wish) (slirp.Endpoint, error) {
	e := slirp.Endpoint{
		ID: m.ID, Name: m.Name, Hostname: m.Spec.Hostname, Aliases: w.Aliases,
		IPAddress: w.IP, IPv6Address: w.IP6, MACAddress: w.MAC,
	}
	var err error
	if e.Egress, err = slirp.ParseEgress(m.Options.Egress); err != nil {
		return e, err
	}
	if w.Network == slirp.DefaultNetwork {
		return e, nil
	}
	n, err := m.store.networks().Get(w.Network)
	if err != nil {
		return e, fmt.Errorf("%w: it was removed; 'rl network disconnect %s %s' lets the container do without", err, w.Network, m.Name)
	}
	for alias, id := range w.Links {
		if e.Links == nil {
			e.Links = map[string]string{}
		}
		e.Links[alias] = id[:12] // a name that renaming does not change
	}
	e.Network, e.Resolvers = &n.Network, m.facts.Resolver.Servers
	return e, nil
}

// ConnectNetwork puts a container, running or not, on one more network. The
// caller is in the user namespace. notes are lines for the person.
func (s Store) ConnectNetwork(ctx context.Context, id string, w network.Wish) (notes []string, err error) {
	if err := s.planWish(&w); err != nil {
		return nil, err
	}
	err = s.change(ctx, Request{Op: OpConnect, ID: id, Network: &w}, &notes, func(v View) error {
		if err := connectable(v.Container, w.Network); err != nil {
			return err
		}
		v.Networks = append(v.Networks, w)
		return s.saveContainer(v.Container)
	})
	return notes, err
}

// DisconnectNetwork takes a container off a network that is called name, or was.
func (s Store) DisconnectNetwork(ctx context.Context, id, name string) (notes []string, err error) {
	if n, err := s.networks().Find(name); err == nil {
		name = n.Name
	}
	err = s.change(ctx, Request{Op: OpDisconnect, ID: id, Network: &network.Wish{Network: name}}, &notes, func(v View) error {
		i := place(v.Container, name)
		if i < 0 {
			return notOn(v.Container, name)
		}
		v.Networks = slices.Delete(v.Networks, i, i+1)
		return s.saveContainer(v.Container)
	})
	return notes, err
}

func place(c Container, name string) int {
	return slices.IndexFunc(c.Networks, func(w network.Wish) bool { return w.Network == name })
}

func notOn(c Container, name string) error {
	return fmt.Errorf("container %s is not on network %s", c.Name, name)
}

// connectable refuses a container that cannot be put on a network.
func connectable(c Container, name string) error {
	mode := c.Options.Network
	switch {
	case mode == "host" || mode == "none" || strings.HasPrefix(mode, "container:") || slirp.IsUplink(mode):
		return fmt.Errorf("container %s was made with --network %s and cannot be put on another network: make a new one", c.Name, mode)
	case place(c, name) >= 0:
		return fmt.Errorf("container %s is on network %s already", c.Name, name)
	}
	return nil
}

// connectRunning is ConnectNetwork by the monitor of a running container.
func (m *monitor) connectRunning(w network.Wish) Reply {
	m.changing.Lock()
	defer m.changing.Unlock()
	if err := connectable(m.Container, w.Network); err != nil {
		return replyOf(err)
	}
	netns, err := m.openNetns()
	if err != nil {
		return replyOf(err)
	}
	defer netns.Close()
	endpoints, unlock, err := m.endpoints([]network.Wish{w})
	if err != nil {
		return replyOf(err)
	}
	defer unlock()
	if !slices.ContainsFunc(m.attachments(), leadsOut) && !internal(endpoints[0]) {
		endpoints[0].Ports = m.publish()
	}
	a, err := m.attachOne(netns, endpoints[0])
	if err != nil {
		return replyOf(err)
	}
	next := m.Container
	next.Networks = append(slices.Clone(m.Networks), w)
	if err := m.store.saveContainer(next); err != nil {
		return replyOf(errors.Join(err, m.network.Detach(context.Background(), m.ID, a.NetworkID)))
	}
	m.Container = next
	m.changeNetworks(append(slices.Clone(m.attachments()), *a))
	if err := m.noteConnected(*a); err != nil {
		return replyOf(err)
	}
	m.recordNetworks("connect", *a)
	return Reply{ID: m.ID, Notes: a.Warnings}
}

// openNetns opens the container's network namespace.
func (m *monitor) openNetns() (*os.File, error) {
	l, err := m.present()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.init == nil || l.over() {
		return nil, ErrNotRunning
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/net", l.init.PID))
}

// attachOne attaches a running container, which may have had no network.
func (m *monitor) attachOne(netns *os.File, e slirp.Endpoint) (*slirp.Attachment, error) {
	ctx := context.Background()
	e.Interface = freeInterface(m.attachments())
	m.mu.Lock()
	client := m.network
	m.mu.Unlock()
	if client == nil {
		var err error
		if client, err = slirp.Connect(ctx, slirp.Options{RuntimeDir: m.store.network()}); err != nil {
			return nil, err
		}
		m.mu.Lock()
		m.network = client
		m.mu.Unlock()
	}
	return client.Attach(ctx, netns, e)
}

// freeInterface is the first name that none of the attachments has.
func freeInterface(list []slirp.Attachment) string {
	for i := 0; ; i++ {
		name := fmt.Sprintf("eth%d", i)
		if !slices.ContainsFunc(list, func(a slirp.Attachment) bool { return a.Interface == name }) {
			return name
		}
	}
}

// disconnectRunning is DisconnectNetwork by the monitor of a running container.
func (m *monitor) disconnectRunning(name string) Reply {
	m.changing.Lock()
	defer m.changing.Unlock()
	i := place(m.Container, name)
	if i < 0 {
		return replyOf(notOn(m.Container, name))
	}
	list := slices.Clone(m.attachments())
	at := slices.IndexFunc(list, func(a slirp.Attachment) bool { return a.Network == name })
	if at < 0 {
		return replyOf(ErrRestarting) // between two lives
	}
	gone := list[at]
	next := m.Container
	next.Networks = slices.Delete(slices.Clone(m.Networks), i, i+1)
	if err := m.store.saveContainer(next); err != nil {
		return replyOf(err)
	}
	m.Container = next
	if err := m.network.Detach(context.Background(), m.ID, gone.NetworkID); err != nil {
		return replyOf(err)
	}
	list = slices.Delete(list, at, at+1)
	notes, err := m.movePorts(gone.Ports, list)
	m.changeNetworks(list)
	if err = errors.Join(err, m.noteDisconnected(gone)); err != nil {
		return replyOf(err)
	}
	m.recordNetworks("disconnect", gone)
	return Reply{ID: m.ID, Notes: notes}
}

// movePorts publishes the ports of a network that the container has left on the
// first of the others that has a way out.
func (m *monitor) movePorts(ports []slirp.PortMapping, list []slirp.Attachment) (notes []string, err error) {
	if len(ports) == 0 {
		return nil, nil
	}
	next := slices.IndexFunc(list, leadsOut)
	if next < 0 {
		return []string{fmt.Sprintf("no port of %s is published until it is on a network with a way out", m.Name)}, nil
	}
	a, err := m.network.Publish(context.Background(), m.ID, list[next].NetworkID, ports)
	if err != nil {
		return nil, err
	}
	list[next] = *a
	return a.Warnings, nil
}

func leadsOut(a slirp.Attachment) bool { return !a.Internal }

func (m *monitor) attachments() []slirp.Attachment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.State.Attachments
}

// changeNetworks writes down what the container has now.
func (m *monitor) changeNetworks(list []slirp.Attachment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.Attachments = list
	m.save() // only inspect goes by it
}

// RemoveNetwork removes a network that no running container is on, and returns
// its name.
func (s Store) RemoveNetwork(word string) (string, error) {
	return s.networks().Remove(word, s.networkUser)
}

// networkUser returns the name of a container that is on a network or about to
// be, "" for none.
func (s Store) networkUser(n network.Network) (string, error) {
	views, err := s.Glance(false)
	for _, v := range views {
		if place(v.Container, n.Name) >= 0 && (v.State.live() || s.locked(v.ID)) {
			return v.Name, nil
		}
	}
	return "", err
}
