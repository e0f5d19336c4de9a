package check

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The few messages below are written by hand: the netlink libraries do more at start than this program needs.

const netlinkHeader = unix.NLMSG_HDRLEN

var errNoAnswer = errors.New("netlink gave an answer that is not one")

// newLink is the message that makes a network interface of that kind. A veth gets a peer.
func newLink(kind string) []byte {
	info := attribute(unix.IFLA_INFO_KIND, []byte(kind))
	body := make([]byte, unix.SizeofIfInfomsg)
	body = append(body, attribute(unix.IFLA_IFNAME, []byte("rl0\x00"))...)
	body = append(body, attribute(unix.IFLA_LINKINFO, info)...)
	return message(unix.RTM_NEWLINK, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
}

// newTable is the batch of messages that makes a table of nftables.
func newTable() []byte {
	table := append([]byte{unix.AF_INET, 0, 0, 0}, attribute(unix.NFTA_TABLE_NAME, []byte("rl\x00"))...)
	batch := []byte{unix.AF_UNSPEC, 0, 0, unix.NFNL_SUBSYS_NFTABLES} // the subsystem is big-endian
	all := message(unix.NFNL_MSG_BATCH_BEGIN, 0, batch)
	all = append(all, message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, unix.NLM_F_ACK|unix.NLM_F_CREATE, table)...)
	return append(all, message(unix.NFNL_MSG_BATCH_END, 0, batch)...)
}

func message(kind, flags uint16, body []byte) []byte {
	m := make([]byte, netlinkHeader, netlinkHeader+len(body))
	binary.NativeEndian.PutUint32(m[0:], uint32(netlinkHeader+len(body)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST)
	return append(m, body...)
}

// attribute is padded to four bytes.
func attribute(kind uint16, data []byte) []byte {
	a := make([]byte, 4, 4+len(data)+3)
	binary.NativeEndian.PutUint16(a[0:], uint16(4+len(data)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	a = append(a, data...)
	for len(a)%4 != 0 {
		a = append(a, 0)
	}
	return a
}

// netlinkError reads the first answer: an acknowledgement is an error of number 0.
func netlinkError(answer []byte) error {
	if len(answer) < netlinkHeader+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errNoAnswer
	}
	if code := int32(binary.NativeEndian.Uint32(answer[netlinkHeader:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
