package netd

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The uplink's little network, between the tap device and the uplink process.
// It is link-local so that it collides with no network that a container may
// want to reach; the gateway does not exist but in the uplink process's mind.
var (
	uplinkSubnet  = netip.MustParsePrefix("169.254.88.0/24")
	uplinkAddress = netip.MustParseAddr("169.254.88.100")
	uplinkGateway = netip.MustParseAddr("169.254.88.2")
)

const tunDevice = "/dev/net/tun"

// createTap makes the uplink's device. It is persistent: with it, addresses and
// routes stay when an uplink process dies, and packets wait in its queue for
// the next one.
func createTap(ns *namespace, h *netlink.Handle) error {
	if err := persistTap(ns); err != nil {
		return err
	}
	link, err := h.LinkByName(tapName)
	if err != nil {
		return err
	}
	if err := h.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("setting the tap device's MTU: %w", err)
	}
	if err := h.AddrAdd(link, address(netip.PrefixFrom(uplinkAddress, uplinkSubnet.Bits()))); err != nil {
		return fmt.Errorf("giving the tap device its address: %w", err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("switching the tap device on: %w", err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: uplinkGateway.AsSlice()}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("adding the uplink's default route: %w", err)
	}
	return nil
}

// persistTap leaves the device without a carrier. It must not be on yet: a
// carrier that goes and comes is announced up to a second late.
func persistTap(ns *namespace) error {
	f, err := openTap(ns)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("making the tap device stay: %w", err)
	}
	return nil
}

// openTap returns a descriptor of the uplink's device: frames are read and
// written there.
func openTap(ns *namespace) (f *os.File, err error) {
	err = ns.do(func() error {
		f, err = tapIn()
		return err
	})
	return f, err
}

// tapIn opens the device in the calling thread's network namespace.
func tapIn() (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tunDevice, Err: err}
	}
	request, err := unix.NewIfreq(tapName)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("making the tap device: %w", err)
	}
	return os.NewFile(uintptr(fd), tunDevice), nil
}
