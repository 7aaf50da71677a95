package lifecycle

import (
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/world"
)

// payload appends what only the payload's process does.
func (g *program) payload() error {
	p := g.plan
	if !g.job() {
		p.Act("begin a session")
		p.Do("setsid", unix.SYS_SETSID)
	}
	if !g.KeepSignals {
		world.DefaultSignals(p)
	}
	if g.slave != 0 {
		world.Standard(p, g.slave, g.TTY)
		if !g.job() {
			world.Controlling(p)
		}
	}
	if g.Silent {
		// The caller's device: what the container has by that name could be a link
		// to anything (CVE-2026-88265), and this is before the payload's user is.
		world.Null(p, g.null, []int{0, 1, 2})
	} else {
		world.OwnFiles(p, g.Spec.Process, g.TTY)
		world.Null(p, g.null, world.HalfNull(g.Spec.Process, g.TTY))
	}
	g.labels.write(p)
	// Before any path of the container's is followed by a process that may
	// still hold fds of the host (CVE-2024-21626).
	var keep []plan.Arg
	if g.listen >= 0 {
		keep = append(keep, plan.C(g.listen))
	}
	if g.idle != 0 {
		keep = append(keep, plan.R(g.idle))
	}
	kept := world.Descriptors(p, 3+g.PreserveFds, keep...)
	world.RestoreFiles(p, g.run.Files)
	if err := g.proc.Limits(p); err != nil {
		return err
	}
	if err := confine.Tune(p, tuning(g.Spec)); err != nil {
		return err
	}
	g.proc.Enter(p)
	scope(p, g.proc, g.Scoped && g.run.scopes())
	g.proc.Cwd(p)
	g.found = g.proc.Find(p)
	if g.idle != 0 {
		g.awaitInit(kept[len(kept)-1])
	}
	return g.filter.end(p, g.proc, g.seen(), g.ready)
}

// ready appends the end of a start: the payload waits until it is recorded, and where
// that is asked for until it is started.
func (g *program) ready(last ending) error {
	p := g.plan
	g.visible()
	if g.Attached && !g.reaps {
		// After the change of ids, which clears it (prctl(2)); the gate behind it finds a parent that has died before.
		p.Act("end with the foreground process")
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	p.Act("wait until the state is recorded")
	if h := g.Spec.Hooks; h != nil && len(h.StartContainer) > 0 {
		p.Act("wait until the state is recorded; at start, the hooks %s", strings.Join(hookWords("startContainer", h.StartContainer), ", "))
	}
	var e *endings
	if g.listen >= 0 && g.fresh(unix.CLONE_NEWPID) && !g.reaps {
		e = heed(p)
	}
	p.Gate(gateReady)
	parent := plan.C(3 + g.PreserveFds)
	if g.listen >= 0 {
		parent = plan.R(g.waitForStart(e))
	}
	g.proc.Exec(p, g.found, func() { last(parent) })
	return nil
}

// waitForStart is the last gate: one byte from anybody who may open the socket.
// A caller that dies between connecting and writing changes nothing.
func (g *program) waitForStart(e *endings) plan.Reg {
	p := g.plan
	p.Act("wait to be started")
	again, drop := p.Label("wait"), p.Label("not meant")
	first := 3 + g.PreserveFds
	p.CloseNumber(first) // nobody is there any more
	p.Here(again)
	e.wait(p, again, first+1)
	conn := p.Do("accept4", unix.SYS_ACCEPT4, plan.C(first+1), plan.C(0), plan.C(0), plan.C(unix.SOCK_CLOEXEC)).
		On(unix.ECONNABORTED, again).To("starter")
	p.Do("read", unix.SYS_READ, plan.R(conn), plan.M(plan.Words(0)), plan.C(1)).IfZero(drop).On(plan.AnyErrno, drop)
	started := p.Label("started")
	p.Goto(started)
	p.Here(drop)
	p.Close(conn)
	p.Goto(again)
	p.Here(started)
	e.ignore(p)
	p.Report(conn)
	return conn
}

// cwd makes a missing working directory, as runc and crun do.
func (g *program) cwd() {
	if dir := g.Spec.Process.Cwd; g.ownTree() && dir != "/" {
		g.plan.Act("make the working directory %s", dir)
		g.plan.About(kernel.Attempt{Field: "process.cwd"})
		g.tree.Make(g.plan, dir)
	}
}
