package lifecycle

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/userns"
)

// join appends the entry into existing namespaces. It takes a second fork,
// from inside them, to be born into the new ones and into a joined pid
// namespace. A time namespace with offsets takes one too: they must be written
// before anybody is in, and clone3(2) puts its child in (time_namespaces(7)).
func (g *program) join() plan.Label {
	if g.flags() == g.atBirth() && len(g.ns.joins) == 0 {
		return 0
	}
	p := g.plan
	g.setns(true)
	g.setns(false)
	p.Act("be born in the container's namespaces")
	here := g.ns.fresh & unix.CLONE_NEWTIME // clone(2) has no bit for it
	if here != 0 {
		// The user namespace in the same call, so that it owns the other.
		here |= g.ns.fresh & unix.CLONE_NEWUSER
		p.Unshare(here)
		g.timeOffsets()
		p.Act("be born in the container's namespaces")
	}
	launcher := p.Label("first process")
	p.Fork(g.atBirth()&^here, launcher)
	p.Note(userns.NoteBorn)
	return launcher
}

func (g *program) setns(outer bool) {
	for _, j := range g.ns.joins {
		if j.outer == outer {
			g.plan.Act("join the namespace %s", j.path)
			g.plan.About(kernel.Attempt{Op: kernel.Op{Do: kernel.JoinNS, Path: j.path}})
			g.plan.Setns(plan.C(int(j.file.Fd())), j.flag)
		}
	}
}

// rootGone says where a root that is not there was looked for.
func (g *program) rootGone(e *userns.Error, at kernel.Attempt) error {
	if e.Errno != unix.ENOENT || !g.ns.joined(unix.CLONE_NEWNS) || at.Do != kernel.OpenRoot {
		return nil
	}
	return fmt.Errorf("%w: it is looked up in the joined mount namespace, whose tree another container may have replaced", e)
}

// timeOffsets moves the clocks of the new time namespace.
func (g *program) timeOffsets() {
	if g.Spec.Linux == nil || len(g.Spec.Linux.TimeOffsets) == 0 {
		return
	}
	var lines []string
	for clock, o := range g.Spec.Linux.TimeOffsets {
		lines = append(lines, fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs))
	}
	sort.Strings(lines)
	g.plan.Act("set linux.timeOffsets")
	g.plan.WriteFile(plan.Cwd(), "/proc/self/timens_offsets", strings.Join(lines, ""))
}

// flags are the namespaces of the first fork.
func (g *program) flags() uintptr {
	if len(g.ns.joins) > 0 || g.Spec.Linux != nil && len(g.Spec.Linux.TimeOffsets) > 0 {
		return 0
	}
	return g.atBirth()
}
