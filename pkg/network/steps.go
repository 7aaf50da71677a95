package network

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// Steps appends the child's side.
func (w *Network) Steps(p *plan.Plan, s *specs.Spec, in *world.World) {
	if w == nil || w.job.Shared {
		return
	}
	p.Act("let ordinary users inside listen on every port, and ping")
	given := func(key string) bool { return s.Linux.Sysctl[key] != "" }
	type sysctl struct{ key, path, value string }
	list := []sysctl{
		{"net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start", "0"},
		{"net.ipv4.ping_group_range", "net/ipv4/ping_group_range", pingers(s, in)},
		// slirp4netns's address would be tentative for a second.
		{"net.ipv6.conf.default.accept_dad", "net/ipv6/conf/default/accept_dad", "0"},
	}
	if w.job.RoutesLoopback() { // the device has it from its making
		list = append(list, sysctl{"net.ipv4.conf.default.route_localnet", "net/ipv4/conf/default/route_localnet", "1"})
	}
	for _, one := range list {
		if !given(one.key) {
			// A read-only /proc/sys, or a kernel without it: what it would be for does not work then.
			p.WriteFile(plan.Cwd(), "/proc/sys/"+one.path, one.value, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.EINVAL)
		}
	}
	if !w.Needed() {
		return
	}
	p.Act("let the parent make the network: %s", w.Words())
	if w.job.Shuts() { // by its routes, which are set from outside when the carrier has made its device
		routes := p.Do("socket", unix.SYS_SOCKET, plan.C(unix.AF_NETLINK), plan.C(unix.SOCK_RAW|unix.SOCK_CLOEXEC), plan.C(unix.NETLINK_ROUTE)).To("routes")
		userns.HandOver(p, "sendmsg", plan.Parent(), routes)
		p.Close(routes)
	}
	p.Gate(Gate)
}

// pingers is the range of groups that may send ICMP echo requests: those that
// have an id inside, as far as it has no gaps around the payload's own (icmp(7)).
func pingers(s *specs.Spec, in *world.World) string {
	if !in.Userns() {
		return "0 2147483647"
	}
	low, high := s.Process.User.GID, s.Process.User.GID
	for range in.IDs.GIDs { // each round joins one extent at least, or none is left to
		for _, e := range in.IDs.GIDs {
			last := e.Container + e.Size - 1
			if e.Size > 0 && e.Container <= high+1 && last+1 >= low {
				low, high = min(low, e.Container), max(high, last)
			}
		}
	}
	return fmt.Sprintf("%d %d", low, high)
}
