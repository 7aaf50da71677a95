package lifecycle

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/seccomp"
)

// forkInit makes the payload a child of the container's first process, which
// stays as its init. Only the fork is here; see becomeInit.
func (g *program) forkInit() plan.Label {
	if !g.reaps {
		return 0
	}
	p := g.plan
	p.Act("fork the payload from init")
	// Nobody inside may look into init. It makes nothing secret of itself, but a payload of the same user could stop it.
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	// No process of the container is in a process group of the caller's, which kill(2) with 0 would mean.
	p.Do("setsid", unix.SYS_SETSID)
	if g.job() {
		p.Ioctl("TIOCSCTTY", g.slave, unix.TIOCSCTTY, plan.C(0))
	}
	if g.Attached {
		// Before the fork: the payload's last gate then finds a parent that has died earlier than this.
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	g.idle = p.Do("eventfd2", unix.SYS_EVENTFD2, plan.C(0), plan.C(unix.EFD_CLOEXEC)).To("init's word")
	init := p.Label("init")
	p.ForkChild(init)
	p.Note(plan.NoteInit)
	return init
}

// job says whether the payload is a job in init's session, as those of a shell are in the shell's, and not the first process
// of a session of its own: only then does the kernel stop it for ^Z (setpgid(2), "orphaned process group"), and init tells.
func (g *program) job() bool { return g.Init && g.Attached && g.slave != 0 && g.Job }

// bringForward makes the payload the foreground job of init's terminal.
func (g *program) bringForward() {
	p := g.plan
	p.Act("bring the payload to the front of its terminal")
	p.Do("setpgid", unix.SYS_SETPGID, plan.C(payloadPid), plan.C(payloadPid))
	p.Ioctl("TIOCSPGRP", g.slave, unix.TIOCSPGRP, plan.M(plan.Words(payloadPid)))
}

// payloadPid is the payload's behind an init: the first fork in its pid namespace.
const payloadPid = 2

// awaitInit stops the payload until init has given up its rights: who may trace
// (CAP_SYS_PTRACE) could have them otherwise, if the payload were faster.
func (g *program) awaitInit(word plan.Reg) {
	if word == 0 {
		return
	}
	p := g.plan
	p.Act("wait until init has given up its rights")
	p.Do("read", unix.SYS_READ, plan.R(word), plan.M(plan.Longs(0)), plan.C(8))
	p.Close(word)
}

// becomeInit is what init does: give up its rights, wait for every orphan, and when
// the payload has ended, say how and end too, which ends the whole pid namespace
// (pid_namespaces(7)).
func (g *program) becomeInit(init plan.Label) error {
	if init == 0 {
		return nil
	}
	p := g.plan
	p.Here(init)
	options := 0
	if g.job() {
		g.bringForward()
		options = unix.WUNTRACED
	}
	g.proc.Idle(p)
	p.Act("wait for orphans and for the payload")
	if g.Attached {
		// The change of ids has cleared it. The payload waits meanwhile, and its
		// last gate finds a parent that has died before.
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	const word, status = 0, 1
	p.Do("dup3", unix.SYS_DUP3, plan.R(g.idle), plan.C(word), plan.C(0))
	keep := word + 1
	if g.Attached {
		p.Do("dup3", unix.SYS_DUP3, plan.C(g.status), plan.C(status), plan.C(0))
		keep = status + 1
	}
	p.CloseFrom(keep, 0)
	only, err := seccomp.Only(unix.SYS_WAIT4, unix.SYS_WRITE, unix.SYS_EXIT_GROUP)
	if err != nil {
		return err
	}
	only.Load(p).Ignore() // a kernel without filters, or a filter around us that lets nobody load one
	p.Do("write", unix.SYS_WRITE, plan.C(word), plan.M(plan.Longs(1)), plan.C(8))
	again := p.Label("wait")
	ended, who := plan.Words(0), plan.Words(0)
	p.Here(again)
	r := p.Do("wait4", unix.SYS_WAIT4, plan.C(-1), plan.M(ended), plan.C(options), plan.C(0)).To("ended")
	p.Put(who, 0, r)
	p.Expect(who, 0, ^uint32(0), payloadPid, unix.EAGAIN).On(unix.EAGAIN, again)
	if g.Attached {
		p.Do("write", unix.SYS_WRITE, plan.C(status), plan.M(ended), plan.C(4)).Ignore()
	}
	if g.job() {
		over := p.Label("over")
		p.Expect(ended, 0, 0xff, 0x7f, unix.EAGAIN).On(unix.EAGAIN, over) // WIFSTOPPED (wait(2))
		p.Goto(again)
		p.Here(over)
	}
	p.Exit(0)
	return nil
}
