package slirp

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Shuts says whether the container is kept from this host's loopback by routes of its own, for which the helper takes
// FdRoutes.
func (c *Config) Shuts() bool { return c.Carries() && !c.HostLoopback }

// shut keeps the container from the host's loopback. A socket that is bound to the carrier's device has 127.0.0.1 sent there
// and not to lo, and the carrier connects to whatever it is told to, from this host: what it is told not to do concerns the
// gateway's address alone. The device is new with each carrier.
//
// What is sent through it to 127.0.0.0/8 is delivered here, and to ::1 nowhere. For IPv4 that is a route, for of a rule that
// forbids the kernel thinks that the address is on the link (ip_route_output_key_hash_rcu in net/ipv4/route.c); and for IPv6
// a rule, whose place is behind the table of local routes, where loopback finds its own.
func (h *Helper) shut() error {
	if !h.Shuts() {
		return nil
	}
	device, err := unix.NewIfreq(h.device())
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(FdRoutes, unix.SIOCGIFINDEX, device); err != nil {
		return err
	}
	const metric = 5                                                                                                              // behind the route of lo
	route := []byte{unix.AF_INET, 8, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0} // struct rtmsg
	err = enter(unix.RTM_NEWROUTE, route,
		attribute(unix.RTA_DST, 127, 0, 0, 0), attribute(unix.RTA_PRIORITY, word(metric)...), attribute(unix.RTA_OIF, word(device.Uint32())...))
	if err != nil {
		return err
	}
	const prohibit = 8                                                      // FR_ACT_PROHIBIT of linux/fib_rules.h
	rule := []byte{unix.AF_INET6, 128, 0, 0, 0, 0, 0, prohibit, 0, 0, 0, 0} // struct fib_rule_hdr
	loopback := make([]byte, 16)
	loopback[15] = 1
	if err := enter(unix.RTM_NEWRULE, rule, attribute(unix.FRA_DST, loopback...), attribute(unix.FRA_PRIORITY, word(1)...)); err != nil && h.IPv6 {
		h.say("the host's ::1 can be reached from inside: this kernel has no rules for IPv6 (CONFIG_IPV6_MULTIPLE_TABLES)")
	}
	return nil
}

// enter sends a request to the kernel and hears its answer, of which EEXIST is as good as none.
func enter(kind uint16, body []byte, attributes ...[]byte) error {
	if err := unix.Sendto(FdRoutes, message(kind, body, attributes...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	const errorAt = unix.NLMSG_HDRLEN // struct nlmsgerr, netlink(7)
	answer := make([]byte, 4096)
	_ = unix.SetsockoptTimeval(FdRoutes, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}) // the kernel answers at once
	n, from, err := unix.Recvfrom(FdRoutes, answer, 0)
	if err != nil {
		return err
	}
	if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 || n < errorAt+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("not an answer of the kernel's")
	}
	switch errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[errorAt:]))); errno {
	case 0, unix.EEXIST:
		return nil
	default:
		return errno
	}
}

// message is a request of rtnetlink(7) that is answered.
func message(kind uint16, body []byte, attributes ...[]byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN)
	b = append(b, body...)
	for _, a := range attributes {
		b = append(b, a...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	return b
}

// attribute is a struct rtattr, of a length that needs no padding.
func attribute(kind uint16, data ...byte) []byte {
	b := make([]byte, 4, 4+len(data))
	binary.NativeEndian.PutUint16(b, uint16(4+len(data)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	return append(b, data...)
}

func word(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
