package lifecycle

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/userns"
)

// forkInit makes the payload a child of the container's first process, which
// stays as its init. Only the fork is here; see becomeInit.
func (g *program) forkInit() plan.Label {
	if !g.Init {
		return 0
	}
	p := g.plan
	p.Act("fork the payload from init")
	// Nobody inside may look into init: it keeps all capabilities.
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	if g.Attached {
		// Before the fork: the payload's last gate then finds a parent that
		// has died earlier than this.
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	init := p.Label("init")
	p.ForkChild(init)
	p.Note(userns.NoteInit)
	return init
}

// becomeInit is what init does: wait for every orphan, and when the payload has
// ended, say how and end too, which ends the whole pid namespace
// (pid_namespaces(7)).
func (g *program) becomeInit(init plan.Label) {
	if init == 0 {
		return
	}
	p := g.plan
	p.Here(init)
	p.Act("wait for orphans and for the payload")
	keep := 0
	if g.Attached {
		p.Do("dup3", unix.SYS_DUP3, plan.C(g.status), plan.C(0), plan.C(0))
		keep = 1
	}
	p.CloseFrom(keep, 0)
	again := p.Label("wait")
	status, who := plan.Words(0), plan.Words(0)
	p.Here(again)
	r := p.Do("wait4", unix.SYS_WAIT4, plan.C(-1), plan.M(status), plan.C(0), plan.C(0)).To("ended")
	p.Put(who, 0, r)
	// The payload was the first fork in this pid namespace.
	p.Expect(who, 0, ^uint32(0), 2, unix.EAGAIN).On(unix.EAGAIN, again)
	if g.Attached {
		p.Do("write", unix.SYS_WRITE, plan.C(0), plan.M(status), plan.C(4)).Ignore()
	}
	p.Exit(0)
}
