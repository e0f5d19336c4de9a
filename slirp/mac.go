package slirp

import (
	"fmt"
	"net"
)

// ParseMAC reads the hardware address that a container wants; an error is
// ErrAddress.
func ParseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%w: %q is not a MAC address like 02:42:ac:11:00:02", ErrAddress, text)
	}
	if mac[0]&1 != 0 {
		return nil, fmt.Errorf("%w: MAC address %s is a group's, its first byte must be even", ErrAddress, text)
	}
	return mac, nil
}
