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

// seen says whether there are processes that may look at the finished container before its
// exec: others in its pid namespace, or, while it waits for its start, those that an exec has
// brought into it.
func (g *program) seen() bool { return g.waits() || !g.fresh(unix.CLONE_NEWPID) }

// shown says whether the finished container is left dumpable, so that others can see it in
// /proc. There are two cases. A container that waits for its start is seen by the runtime that
// starts it. And where /proc shows a process only to who may trace it (hidepid in proc(5)), the
// payload of an init has to be dumpable for an ordinary caller to read its start time, which
// the record needs. In both cases the process has memory of its own, without anything of the
// caller's in it (others in pkg/userns/forget.go).
func (g *program) shown() bool {
	return g.waits() || g.reaps && !g.run.private() && unix.Access("/proc/1/stat", unix.F_OK) != nil
}
