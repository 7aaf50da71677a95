package lifecycle

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// visible lets the caller look at the namespaces of a process that waits. Only
// in a pid namespace of its own: elsewhere a process of another container
// could look into it too (CVE-2016-9962). And never while it may work in our
// memory: it has the payload's ids by now, and anybody on the host who has them
// as well could write to the memory of a caller who is root.
func (g *program) visible() {
	dumpable := 0
	if g.fresh(unix.CLONE_NEWPID) && g.shown() {
		dumpable = 1
	}
	g.plan.Act("set who may look into the waiting process")
	g.plan.Prctl(unix.PR_SET_DUMPABLE, plan.C(dumpable))
}

// waits says whether the complete container waits for somebody: the caller of
// start, or hooks.
func (g *program) waits() bool {
	h := g.Spec.Hooks
	return g.listen >= 0 || h != nil && len(h.StartContainer) > 0
}

// seen says whether processes of the container may look at the complete one before its
// exec: those of a pid namespace with others in it, and its own, which are there before it
// while it waits.
func (g *program) seen() bool { return g.waits() || !g.fresh(unix.CLONE_NEWPID) }

// shown says whether the complete container is to be seen by others: one that waits,
// and where /proc hides what may not be looked into (hidepid in proc(5)) the payload
// of an init, of which it would have no word for an ordinary caller's record. Both
// have memory of their own, and nothing of the caller's in it (userns, memory).
func (g *program) shown() bool {
	return g.waits() || g.Init && !g.run.private() && unix.Access("/proc/1/stat", unix.F_OK) != nil
}
