package world

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Join appends the entry into existing namespaces. It takes a second fork,
// from inside them, to be born into the new ones and into a joined pid
// namespace. A time namespace with offsets takes one too: they must be written
// before anybody is in, and clone3(2) puts its child in (time_namespaces(7)).
func (w *World) Join() plan.Label {
	if w.Flags() == w.Born && len(w.NS.Joins) == 0 {
		return 0
	}
	p := w.Plan
	w.setns(true)
	w.setns(false)
	p.Act("be born in the container's namespaces")
	here := w.NS.Fresh & unix.CLONE_NEWTIME // clone(2) has no bit for it
	if here != 0 {
		// The user namespace in the same call, so that it owns the other.
		here |= w.NS.Fresh & unix.CLONE_NEWUSER
		p.Unshare(here)
		w.timeOffsets()
		p.Act("be born in the container's namespaces")
	}
	launcher := p.Label("first process")
	p.Fork(w.Born&^here, launcher)
	p.Note(plan.NoteBorn)
	return launcher
}

func (w *World) setns(outer bool) {
	for _, j := range w.NS.Joins {
		if j.Outer == outer {
			w.Plan.Act("join the namespace %s", j.Path)
			w.Plan.About(kernel.Attempt{Op: kernel.Op{Do: kernel.JoinNS, Path: j.Path}})
			w.Plan.Setns(plan.C(int(j.File.Fd())), j.Flag)
		}
	}
}

// timeOffsets moves the clocks of the new time namespace.
func (w *World) timeOffsets() {
	if w.Spec.Linux == nil || len(w.Spec.Linux.TimeOffsets) == 0 {
		return
	}
	var lines []string
	for clock, o := range w.Spec.Linux.TimeOffsets {
		lines = append(lines, fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs))
	}
	sort.Strings(lines)
	w.Plan.Act("set linux.timeOffsets")
	w.Plan.WriteFile(plan.Cwd(), "/proc/self/timens_offsets", strings.Join(lines, ""))
}

// Flags are the namespaces of the first fork.
func (w *World) Flags() uintptr {
	if len(w.NS.Joins) > 0 || w.Spec.Linux != nil && len(w.Spec.Linux.TimeOffsets) > 0 {
		return 0
	}
	return w.Born
}
