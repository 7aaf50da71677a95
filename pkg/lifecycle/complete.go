package lifecycle

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/state"
)

// complete is the last that is decided of what a container is: it adds what the container gets to see of its own directory,
// and what its network is. That is added to a copy, so that the caller's spec stays as it was; what is returned is only read
// from here on, also by the thread that writes it down. The directory is nil for a plan that is only printed: nothing is made
// then.
func (r *Runtime) complete(o Options, d *state.Dir) (Options, error) {
	if o.Paths == nil {
		o.Paths = handle.Set{}
	}
	o.Spec = ownSpec(o.Spec)
	r.shareWith(&o)
	if err := r.offerNotify(d, &o); err != nil {
		return o, err
	}
	err := r.offerNetwork(d, &o)
	return o, err
}

// ownSpec is a copy, as deep as complete writes.
func ownSpec(s *specs.Spec) *specs.Spec {
	own, process := *s, *s.Process
	process.Env = slices.Clone(process.Env)
	own.Process, own.Mounts = &process, slices.Clone(own.Mounts)
	return &own
}
