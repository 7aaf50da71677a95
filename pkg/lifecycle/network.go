package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/network"
	"sandbox/pkg/state"
)

// Network is what was asked for about a container's network.
type Network = network.Wish

// offerNetwork decides, and shows the container the files that speak of its
// network.
func (r *Runtime) offerNetwork(d *state.Dir, o *Options) error {
	if o.Network == nil {
		return nil
	}
	if !o.Network.Shared && !freshNetwork(o.Spec) {
		return fmt.Errorf("--network: linux.namespaces has no network namespace of the container's own")
	}
	h := network.Host{Helpers: &r.Helpers, Kernel: &r.Kernel}
	w, err := h.Decide(o.Network, seesUs(o.Spec))
	if err != nil {
		return err
	}
	o.network = w
	if names := opens(o.Spec.Process); names != "" && w.Granted() && !w.HostLoopback() {
		r.Tell("with " + names + " the command reaches this host's loopback, for it may send its network's packets itself: leave that out, or take --network none")
	}
	w.Names.Hostname = o.Spec.Hostname
	view := network.View{Spec: o.Spec, Paths: o.Paths, Bundle: o.Bundle, Warn: r.Warn, StandIn: func(name string) string {
		return r.Root.StandIn(o.Paths, unix.S_IFREG, o.ID, state.NetworkDir, name)
	}}
	if d == nil {
		return w.ShowFiles(view)
	}
	if err := w.Reserve(); err != nil {
		return err
	}
	if w.Dir, err = d.Sub(state.NetworkDir, 0o711); err == nil {
		err = w.ShowFiles(view)
	}
	if err != nil {
		return h.Kernel.Because(kernel.Op{Do: kernel.UseRuntime, Path: d.Path}, fmt.Errorf("record the network: %w", err))
	}
	w.Shown()
	return nil
}

// freshNetwork says whether a spec makes a network namespace.
func freshNetwork(s *specs.Spec) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			return n.Path == ""
		}
	}
	return false
}

// opens are the capabilities of a process with which it gets around what its network keeps from it: slirp4netns and pasta
// connect to whatever address a packet has.
func opens(p *specs.Process) string {
	var names []string
	if p != nil && p.Capabilities != nil {
		for _, name := range []string{"CAP_NET_RAW", "CAP_NET_ADMIN"} {
			if slices.Contains(p.Capabilities.Bounding, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " and ")
}
