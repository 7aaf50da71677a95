package lifecycle

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
	"sandbox/pkg/world"
)

// available refuses, before anything exists, what this host or this caller
// cannot give.
func (g *program) available() error {
	for _, check := range []func() error{g.ownNames, g.ownSysctls, g.netDevices, g.planShare} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// has says whether the container has another namespace of that kind than we. A
// namespace that is joined by path may be our own, and Validate cannot know.
func (g *program) has(kind specs.LinuxNamespaceType) bool {
	for _, k := range world.Kinds {
		if k.Name == kind {
			return g.fresh(k.Flag) || g.world.NS.Joined(k.Flag)
		}
	}
	return false
}

func (g *program) ownNames() error {
	for _, n := range []struct{ field, value string }{{"hostname", g.Spec.Hostname}, {"domainname", g.Spec.Domainname}} {
		if n.value != "" && !g.has(specs.UTSNamespace) {
			return fmt.Errorf("%s: the uts namespace is the caller's own, it would rename the host", n.field)
		}
	}
	return nil
}

func (g *program) ownSysctls() error {
	if g.Spec.Linux == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(g.Spec.Linux.Sysctl)) {
		if _, kind := spec.SysctlPath(key); !g.has(kind) {
			return fmt.Errorf("linux.sysctl[%q]: the %s namespace is the caller's own, it would change the host", key, kind)
		}
	}
	return nil
}

// netDevices: a device leaves the caller's network namespace, which only
// whoever administers it can do.
func (g *program) netDevices() error {
	switch l := g.Spec.Linux; {
	case l == nil || len(l.NetDevices) == 0:
		return nil
	case !g.has(specs.NetworkNamespace):
		return fmt.Errorf("linux.netDevices: the network namespace is the caller's own, there is nowhere to move a device to")
	case !g.run.Self.Has(unix.CAP_NET_ADMIN):
		return fmt.Errorf("linux.netDevices: moving a device needs CAP_NET_ADMIN in this network namespace; run it as root")
	}
	return nil
}
