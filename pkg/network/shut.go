package network

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/slirp"
	"sandbox/pkg/userns"
)

// shut appends two routing rules of the container's network, and starts a process that makes them: what is sent through
// the carrier's device to 127.0.0.0/8 is delivered here, and to ::1 nowhere. For IPv4 that is a route, for of a rule that
// forbids the kernel thinks that the address is on the link (ip_route_output_key_hash_rcu in net/ipv4/route.c); and for IPv6
// a rule, whose place is behind the table of local routes, where loopback finds its own.
//
// The process ends with status 1 where the kernel takes no rules for IPv6.
func shut(p *plan.Plan, _ *slirp.Job, of *slirp.Program) (slirp.Child, error) {
	p.Act("close the way to the host's loopback through %s", of.Shut)
	request := make([]byte, 40) // struct ifreq, netdevice(7)
	copy(request[:unix.IFNAMSIZ-1], of.Shut)
	device := plan.Bytes(request)
	udp := p.Do("socket", unix.SYS_SOCKET, plan.C(unix.AF_INET), plan.C(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), plan.C(0)).To("socket")
	p.Ioctl("SIOCGIFINDEX", udp, unix.SIOCGIFINDEX, plan.M(device))
	index := p.Get(device, unix.IFNAMSIZ).To("device")
	link := p.Do("socket", unix.SYS_SOCKET, plan.C(unix.AF_NETLINK), plan.C(unix.SOCK_RAW|unix.SOCK_CLOEXEC), plan.C(unix.NETLINK_ROUTE)).To("netlink")

	route := unix.RtMsg{Family: unix.AF_INET, Dst_len: 8, Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL}
	const metric = 5 // behind the route of lo
	m := plan.Bytes(message(unix.RTM_NEWROUTE, []byte{route.Family, route.Dst_len, 0, 0, route.Table, route.Protocol, route.Scope, route.Type, 0, 0, 0, 0},
		attribute(unix.RTA_DST, 127, 0, 0, 0), attribute(unix.RTA_PRIORITY, word(metric)...), attribute(unix.RTA_OIF, word(0)...)))
	p.Put(m, len(m.Data)-4, index)
	ask(p, link, m, 0)

	none := p.Label("no rules for IPv6")
	const prohibit = 8 // FR_ACT_PROHIBIT of linux/fib_rules.h
	loopback := make([]byte, 16)
	loopback[15] = 1
	ask(p, link, plan.Bytes(message(unix.RTM_NEWRULE, []byte{unix.AF_INET6, 128, 0, 0, 0, 0, 0, prohibit, 0, 0, 0, 0},
		attribute(unix.FRA_DST, loopback...), attribute(unix.FRA_PRIORITY, word(1)...))), none)
	p.Gate(gateHeld)
	p.Exit(0)
	p.Here(none)
	p.Gate(gateHeld)
	p.Exit(1)
	return spawned(userns.Spawn(userns.Request{Plan: p, Until: gateHeld}))
}

// ask sends a message to the kernel and hears the answer, of which EEXIST is as good as none. Any other error is that of the
// plan, or leads elsewhere.
func ask(p *plan.Plan, link plan.Reg, m *plan.Mem, elsewhere plan.Label) {
	there := p.Label("there")
	answer := plan.Bytes(make([]byte, 256))
	failed := []*plan.Step{
		p.Do("sendto", unix.SYS_SENDTO, plan.R(link), plan.M(m), plan.C(len(m.Data)), plan.C(0), plan.C(0), plan.C(0)),
		p.Do("recvfrom", unix.SYS_RECVFROM, plan.R(link), plan.M(answer), plan.C(len(answer.Data)), plan.C(0), plan.C(0), plan.C(0)),
	}
	other := p.Label("an error")
	p.Expect(answer, unix.NLMSG_HDRLEN, ^uint32(0), 0, unix.EIO).On(unix.EIO, other) // struct nlmsgerr, netlink(7)
	p.Goto(there)
	p.Here(other)
	exists := -int32(unix.EEXIST)
	failed = append(failed, p.Expect(answer, unix.NLMSG_HDRLEN, ^uint32(0), uint32(exists), unix.EIO))
	p.Here(there)
	if elsewhere != 0 {
		for _, s := range failed {
			s.On(plan.AnyErrno, elsewhere)
		}
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
