package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	systemdName    = "org.freedesktop.systemd1"
	systemdPath    = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerIface   = systemdName + ".Manager"
	unitExists     = systemdName + ".UnitExists"
	propertiesGet  = "org.freedesktop.DBus.Properties.Get"
	unixPath       = "unix:path=" // begins the address of a socket
	privateSuffix  = "systemd/private"
	systemPrivate  = "/run/systemd/private"
	systemBusPath  = "/run/dbus/system_bus_socket"
	jobRemovedRule = "type='signal',interface='" + managerIface + "',member='JobRemoved'"
)

// systemd is a connection to the systemd that makes scopes for the caller.
type systemd struct {
	conn    *dbus.Conn
	manager dbus.BusObject
}

// socket is a place where systemd may answer. A private one is systemd's own: no
// bus in between, so no name to ask for and no signals to subscribe to.
type socket struct {
	address string
	private bool
}

// sockets lists where to look, best first. The environment comes first, but su, cron
// and CI leave it unset or pointing to somebody else's folder.
func sockets(uid int) []socket {
	if uid == 0 {
		return []socket{{address: unixPath + systemBusPath}, {address: unixPath + systemPrivate, private: true}}
	}
	var list []socket
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		list = append(list, socket{address: address})
	}
	usual := filepath.Join("/run/user", strconv.Itoa(uid))
	dirs := []string{usual}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && filepath.Clean(dir) != usual {
		dirs = []string{filepath.Clean(dir), usual}
	}
	for _, dir := range dirs {
		list = append(list, socket{address: unixPath + filepath.Join(dir, "bus")},
			socket{address: unixPath + filepath.Join(dir, privateSuffix), private: true})
	}
	return list
}

// connect finds a systemd that answers. The caller closes it.
func connect(ctx context.Context, uid int) (*systemd, error) {
	var errs []error
	for _, s := range sockets(uid) {
		conn, err := s.dial(ctx)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.address, err))
	}
	return nil, fmt.Errorf("%w: %w", ErrNoSystemd, errors.Join(errs...))
}

// dial connects and subscribes to the end of jobs, which also proves that systemd is there: a
// session bus of dbus-run-session has none.
func (s socket) dial(ctx context.Context) (*systemd, error) {
	if s.private {
		return s.dialPrivate(ctx)
	}
	conn, err := dbus.Dial(s.address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return greeted(ctx, conn, func() error {
		if err := conn.Hello(); err != nil {
			return err
		}
		return conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.AddMatch", 0, jobRemovedRule).Err
	})
}

// dialPrivate is dial without a bus. Systemd (252 at least) does not look at a message that
// comes in one piece with the end of the handshake before there is another one: it is let
// read the handshake first.
func (s socket) dialPrivate(ctx context.Context) (*systemd, error) {
	stream, err := (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(s.address, unixPath))
	if err != nil {
		return nil, err
	}
	conn, err := dbus.NewConn(stream, dbus.WithContext(ctx))
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return greeted(ctx, conn, func() error { return allRead(ctx, stream.(*net.UnixConn)) })
}

// allRead waits until the other side has read what was written. The kernel has no message
// for that; it takes some microseconds.
func allRead(ctx context.Context, stream *net.UnixConn) error {
	raw, err := stream.SyscallConn()
	if err != nil {
		return err
	}
	for tick := time.Tick(100 * time.Microsecond); ; {
		unread, failed := 0, error(nil)
		err := raw.Control(func(fd uintptr) { unread, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if err = errors.Join(err, failed); err != nil || unread == 0 {
			return err
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// greeted shakes hands on a connection, readies it, and subscribes to the end of jobs. It claims
// no user id: the other side takes it from the socket, which is right in a user namespace too,
// where the caller believes to be 0.
func greeted(ctx context.Context, conn *dbus.Conn, ready func() error) (*systemd, error) {
	sd := &systemd{conn, conn.Object(systemdName, systemdPath)}
	err := conn.Auth([]dbus.Auth{dbus.AuthExternal("")})
	if err == nil {
		err = ready()
	}
	if err == nil {
		err = sd.manager.CallWithContext(ctx, managerIface+".Subscribe", dbus.FlagNoAutoStart).Err
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return sd, nil
}

// group asks systemd for the group below which it makes units.
func (sd *systemd) group(ctx context.Context) (string, error) {
	var group string
	err := sd.manager.CallWithContext(ctx, propertiesGet, 0, managerIface, "ControlGroup").Store(&group)
	if err != nil {
		return "", fmt.Errorf("ask systemd for its control group: %w", err)
	}
	return filepath.Join(Root, group), nil
}

// delegates asks whether the unit of a group has Delegate=yes.
func (sd *systemd) delegates(ctx context.Context, unit string) bool {
	name := filepath.Base(unit)
	iface := systemdName + ".Scope"
	if isService(name) {
		iface = systemdName + ".Service"
	}
	var yes bool
	err := sd.conn.Object(systemdName, unitObject(name)).
		CallWithContext(ctx, propertiesGet, 0, iface, "Delegate").Store(&yes)
	return err == nil && yes
}

// unitObject is systemd's name for a unit on D-Bus: what is no letter or digit is written in hexadecimal.
func unitObject(unit string) dbus.ObjectPath {
	var b strings.Builder
	for i := range len(unit) {
		c := unit[i]
		digit := c >= '0' && c <= '9'
		if digit && i > 0 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return systemdPath + "/unit/" + dbus.ObjectPath(b.String())
}

// start has systemd put the process in the scope and returns the scope's group.
//
// A scope of that name that still exists is an earlier one of the same purpose. Helpers that
// a monitor started may live in it for longer than the monitor, so the new process joins them; a
// scope that is just being stopped cannot be joined, and is waited for.
func (sd *systemd) start(ctx context.Context, s scope) (string, error) {
	start := func() error {
		return sd.job(ctx, s.name, "StartTransientUnit", s.name, "fail", s.properties, []aux{})
	}
	err := start()
	if isError(err, unitExists) {
		err = sd.join(ctx, s)
		if err != nil && sd.job(ctx, s.name, "StopUnit", s.name, "replace") == nil {
			err = start()
		}
	}
	if err != nil {
		return "", fmt.Errorf("start %s: %w", s.name, err)
	}
	return scopeOf(s.pid, s.name)
}

// join moves the process into a running scope.
func (sd *systemd) join(ctx context.Context, s scope) error {
	return sd.manager.CallWithContext(ctx, managerIface+".AttachProcessesToUnit", 0,
		s.name, s.subgroup, []uint32{uint32(s.pid)}).Err
}

// property and aux are the structures (sv) and (sa(sv)) of StartTransientUnit.
type property struct {
	Name  string
	Value dbus.Variant
}

type aux struct {
	Name       string
	Properties []property
}

func set(name string, value any) property { return property{name, dbus.MakeVariant(value)} }

// job calls a method that starts a job and waits until the job is removed. Signals arrive from
// before the call on, so none is missed; other people's jobs are told apart by their path.
func (sd *systemd) job(ctx context.Context, unit, method string, args ...any) error {
	signals := make(chan *dbus.Signal, 64)
	sd.conn.Signal(signals)
	defer sd.conn.RemoveSignal(signals)
	var path dbus.ObjectPath
	if err := sd.manager.CallWithContext(ctx, managerIface+"."+method, 0, args...).Store(&path); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for systemd's job: %w", ctx.Err())
		case s, ok := <-signals:
			if !ok {
				return fmt.Errorf("wait for systemd's job: %w", dbus.ErrClosed)
			}
			if result, ok := jobResult(s, path, unit); ok {
				return resultError(result)
			}
		}
	}
}

// jobResult reads JobRemoved(id, job, unit, result) if it is about this job.
func jobResult(s *dbus.Signal, job dbus.ObjectPath, unit string) (string, bool) {
	if s.Name != managerIface+".JobRemoved" {
		return "", false
	}
	var id uint32
	var path dbus.ObjectPath
	var name, result string
	if dbus.Store(s.Body, &id, &path, &name, &result) != nil {
		return "", false
	}
	return result, path == job && name == unit
}

func resultError(result string) error {
	if result == "done" {
		return nil
	}
	return fmt.Errorf("systemd's job ended as %q", result)
}

func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// scopeOf returns the scope's group as the kernel sees it: where the process is now, or just above.
func scopeOf(pid int, name string) (string, error) {
	group, err := groupOf(strconv.Itoa(pid))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	if filepath.Base(group) == supervisorName {
		group = filepath.Dir(group)
	}
	if filepath.Base(group) != name {
		return "", fmt.Errorf("systemd left process %d in %s instead of %s", pid, group, name)
	}
	return group, nil
}
