package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/state"
)

// Update changes the limits of a container that lives. What the change says
// nothing about stays.
func (r *Runtime) Update(id string, change *specs.LinuxResources) error {
	d, rec, err := r.Root.Lock(id)
	if err != nil {
		return state.NotExist(d, err)
	}
	defer d.Close()
	if r.statusIn(d, rec) == state.Stopped {
		return fmt.Errorf("cannot update a stopped container: %w", ErrNotRunning)
	}
	g, err := r.group(rec)
	if err != nil {
		if same, wrong := changesNothing(change); same || wrong != nil {
			return wrong
		}
		return err
	}
	if err := d.Recall(rec); err != nil {
		return err
	}
	merged := cgroup2.Merge(rec.Resources(), change)
	// All of it again, as runc does: a write that failed, or that somebody has
	// undone since (systemd does, when it is told of another limit of the same
	// controller), is not there because it is recorded.
	writes, err := cgroup2.Writes(merged)
	if err != nil {
		return err
	}
	if cgroup2.Idles(merged) && cgroup2.Weighs(change) {
		r.Warn("unable to apply both cpu.idle and a share (cpu.shares, cpu.weight): an idle container has no share beside others, and is idle now")
	}
	if lost := cgroup2.Lost(change); len(lost) > 0 {
		r.Warn(strings.Join(lost, ", ") + ": ignored, cgroup v2 has nothing of the kind")
	}
	can, missing, err := g.Split(writes)
	if err != nil {
		return err
	}
	if missing = lacking(missing, rec.Resources()); len(missing) > 0 {
		have, _ := g.Controllers()
		cause := r.Kernel.LackingController(missing[0].Controller(), g.Path, strings.Join(have, " "))
		return &kernel.Refusal{Cause: cause, Err: fmt.Errorf("%s: controller %s", missing[0].Field, missing[0].Controller())}
	}
	if err := checkUse(g, change); err != nil {
		return err
	}
	if err := rec.Cgroup.Update(r.Groups, can); err != nil {
		return err
	}
	failed := g.Apply(rec.Cgroup.Rounded(can))
	// Also when the write itself has ended the container: memory.max below what
	// is in use calls the killer.
	if o := g.OOM(); o != nil {
		rec.OOM = o
	}
	if err := d.Rewrite(rec); failed != nil || err != nil {
		return cmp.Or(failed, err)
	}
	return d.WriteSpec(limited(rec.Spec, merged), rec.Seccomp)
}

// limited is a spec with other limits.
func limited(s *specs.Spec, to *specs.LinuxResources) *specs.Spec {
	with, linux := *s, specs.Linux{}
	if s.Linux != nil {
		linux = *s.Linux
	}
	linux.Resources, with.Linux = to, &linux
	return &with
}

// lacking are the writes without a controller that the change asks for. Those that
// were asked for before were told of then.
func lacking(missing []cgroup2.Write, before *specs.LinuxResources) []cgroup2.Write {
	old := map[cgroup2.Write]bool{}
	writes, _ := cgroup2.Writes(before)
	for _, w := range writes {
		old[w] = true
	}
	return slices.DeleteFunc(missing, func(w cgroup2.Write) bool { return w.Unlimited() || old[w] })
}

// checkUse is memory.checkBeforeUpdate: a limit below what is in use is refused
// rather than made room for.
func checkUse(g cgroup2.Group, change *specs.LinuxResources) error {
	m := change.Memory
	if m == nil || m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate {
		return nil
	}
	s, err := g.Stats()
	if err != nil {
		return err
	}
	used := s.Memory.Usage.Usage
	for _, l := range []struct {
		words, name string // the first are runc's
		most        *int64
	}{{"memory+swap", "swap", m.Swap}, {"memory", "limit", m.Limit}} {
		if l.most != nil && *l.most > 0 && used >= uint64(*l.most) {
			return fmt.Errorf("linux.resources.memory.%s: rejecting %s limit %d <= usage %d", l.name, l.words, *l.most, used)
		}
	}
	return nil
}
