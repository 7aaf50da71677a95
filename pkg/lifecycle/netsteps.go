package lifecycle

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// makeNetwork is the child's side.
func (g *program) makeNetwork() {
	w := g.network
	if w == nil || w.job.Shared {
		return
	}
	p := g.plan
	p.Act("let ordinary users inside listen on every port, and ping")
	given := func(key string) bool { return g.Spec.Linux.Sysctl[key] != "" }
	for _, s := range []struct{ key, path, value string }{
		{"net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start", "0"},
		{"net.ipv4.ping_group_range", "net/ipv4/ping_group_range", g.pingers()},
		// slirp4netns's address would be tentative for a second.
		{"net.ipv6.conf.default.accept_dad", "net/ipv6/conf/default/accept_dad", "0"},
	} {
		if !given(s.key) {
			// A read-only /proc/sys, or a kernel without it: what it would be for does not work then.
			p.WriteFile(plan.Cwd(), "/proc/sys/"+s.path, s.value, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.EINVAL)
		}
	}
	if !w.needed() {
		return
	}
	p.Act("let the parent make the network: %s", w.words())
	p.Gate(gateNetwork)
}

// pingers is the range of groups that may send ICMP echo requests: those that
// have an id inside, as far as it has no gaps around the payload's own (icmp(7)).
func (g *program) pingers() string {
	if !g.userns() {
		return "0 2147483647"
	}
	low, high := g.Spec.Process.User.GID, g.Spec.Process.User.GID
	for range g.world.IDs.GIDs { // each round joins one extent at least, or none is left to
		for _, e := range g.world.IDs.GIDs {
			last := e.Container + e.Size - 1
			if e.Size > 0 && e.Container <= high+1 && last+1 >= low {
				low, high = min(low, e.Container), max(high, last)
			}
		}
	}
	return fmt.Sprintf("%d %d", low, high)
}
