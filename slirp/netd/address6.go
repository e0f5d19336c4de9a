package netd

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// address6 skips the search for duplicates, which takes a second: addresses are
// given out by one process.
func address6(p netip.Prefix) *netlink.Addr {
	a := address(p)
	a.Flags = unix.IFA_F_NODAD
	return a
}

// addressTimeout bounds the wait for an address. It works sooner or later.
const addressTimeout = 5 * time.Second

// addAddress6 adds an address in the namespace inside, for which h is, and
// returns when it works. The kernel finishes an IPv6 address after it has
// answered, when it gets its network lock again: until then nobody is found
// by it, and who looks tries again after a second only.
func addAddress6(ns *namespace, inside *os.File, h *netlink.Handle, link netlink.Link, own netip.Prefix) error {
	var news *nl.NetlinkSocket
	err := ns.within(inside, func() (err error) {
		news, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_IFADDR)
		return err
	})
	if err != nil {
		return err
	}
	defer news.Close()
	if err := h.AddrAdd(link, address6(own)); err != nil {
		return err
	}
	if err := news.SetReceiveTimeout(&unix.Timeval{Sec: int64(addressTimeout / time.Second)}); err != nil {
		return err
	}
	for {
		messages, _, err := news.Receive()
		if errors.Is(err, unix.EAGAIN) || slices.ContainsFunc(messages, func(m syscall.NetlinkMessage) bool { return announces(m, own.Addr()) }) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for it: %w", err)
		}
	}
}

// announces reports whether the kernel says that ip is there.
func announces(m syscall.NetlinkMessage, ip netip.Addr) bool {
	if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return false
	}
	attributes, err := nl.ParseRouteAttr(m.Data[unix.SizeofIfAddrmsg:])
	return err == nil && slices.ContainsFunc(attributes, func(a syscall.NetlinkRouteAttr) bool {
		return a.Attr.Type == unix.IFA_ADDRESS && bytes.Equal(a.Value, ip.AsSlice())
	})
}
