package netdev

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// address is one of a device's.
type address struct {
	family, prefix byte
	flags          uint32
	attrs          map[uint16][]byte // those that are kept, by their number
}

// kept are the attributes of an address that mean the same in another
// namespace. Labels and lifetimes do not: the device's name may change, and
// only permanent ones are moved.
var kept = [...]uint16{unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_RT_PRIORITY}

// asked are the flags that somebody has asked for; the others are states of the
// address.
const asked = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_HOMEADDRESS

func (a address) String() string {
	ip, ok := netip.AddrFromSlice(a.attrs[unix.IFA_LOCAL])
	if !ok {
		ip, _ = netip.AddrFromSlice(a.attrs[unix.IFA_ADDRESS])
	}
	return ip.String() + "/" + strconv.Itoa(int(a.prefix))
}

// addresses lists the permanent ones of global scope: the others were given by
// the network that the device leaves (config-linux.md, "Network Devices").
func (c *conn) addresses(index int32) ([]address, error) {
	var list []address
	header := make([]byte, unix.SizeofIfAddrmsg)
	err := c.do(newMessage(unix.RTM_GETADDR, unix.NLM_F_DUMP, header), func(kind uint16, body []byte) {
		if kind != unix.RTM_NEWADDR || len(body) < unix.SizeofIfAddrmsg || int32(binary.NativeEndian.Uint32(body[4:])) != index {
			return
		}
		a := address{family: body[0], prefix: body[1], flags: uint32(body[2]), attrs: map[uint16][]byte{}}
		attributes(body[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) {
			if kind == unix.IFA_FLAGS && len(value) >= 4 {
				a.flags = binary.NativeEndian.Uint32(value)
			}
			for _, k := range kept {
				if k == kind {
					a.attrs[kind] = append([]byte(nil), value...)
				}
			}
		})
		if body[3] == unix.RT_SCOPE_UNIVERSE && a.flags&unix.IFA_F_PERMANENT != 0 {
			list = append(list, a)
		}
	})
	return list, err
}

func (c *conn) addAddress(index int32, a address) error {
	header := []byte{a.family, a.prefix, 0, unix.RT_SCOPE_UNIVERSE}
	header = binary.NativeEndian.AppendUint32(header, uint32(index))
	m := newMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, header)
	for _, k := range kept {
		if value, has := a.attrs[k]; has {
			m.attr(k, value)
		}
	}
	m.attr(unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, a.flags&asked))
	return c.do(m, nil)
}
