package world

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
)

// Entry is a way into the namespaces of a running process.
type Entry struct {
	pidfd, root *os.File
	Userns      bool // it is in another user namespace than we
	Forks       bool // it has a pid namespace of its own, which takes a fork to be in
	launcher    plan.Label
}

// Enter begins a plan with the steps into the namespaces of pid; 0 stays where
// we are. Into the pid namespace leads [Entry.Born]. The process must be held by its recorded start time or be our own
// child, so that the pid is still its own.
func Enter(p *plan.Plan, pid int) (*Entry, error) {
	e := &Entry{}
	if pid == 0 {
		return e, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("open the container's process: %w", err)
	}
	e.pidfd = os.NewFile(uintptr(fd), "pidfd")
	flags, err := Foreign(pid)
	if err != nil {
		e.Close()
		return nil, err // fs.ErrNotExist: it is dying, and has left its namespaces already
	}
	e.Userns = flags&unix.CLONE_NEWUSER != 0
	// What runs here must not be looked into by processes of the container
	// before it has become one of them (CVE-2016-9962).
	p.Act("keep the container out of this process")
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	if flags == 0 {
		return e, nil
	}
	p.Act("join the namespaces of process %d", pid)
	p.Setns(plan.C(int(e.pidfd.Fd())), flags)
	e.Forks = flags&unix.CLONE_NEWPID != 0
	return e, nil
}

// Entered says whether the plan goes anywhere: not with pid 0.
func (e *Entry) Entered() bool { return e.pidfd != nil }

// Born appends the birth into the container's pid namespace. From there on the container
// sees the process, and who may trace there (CAP_SYS_PTRACE in the user namespace that
// the process is in) has all that it has: its rights, its files, its memory. So whatever
// the payload is not to have is given up before, and behind it comes only what takes no
// right.
func (e *Entry) Born(p *plan.Plan) {
	if !e.Forks {
		return
	}
	p.Act("be born in the container's pid namespace")
	e.launcher = p.Label("first process")
	p.Fork(0, e.launcher)
	p.Note(plan.NoteBorn)
}

// Leave ends the plan's first process, whose brother goes on.
func (e *Entry) Leave(p *plan.Plan) {
	if e.launcher != 0 {
		p.Here(e.launcher)
		p.Exit(0)
	}
}

// Close lets go of what it holds open.
func (e *Entry) Close() {
	for _, f := range []*os.File{e.pidfd, e.root} {
		if f != nil {
			f.Close()
		}
	}
}

// Chroot follows a container that was started with --no-pivot, or without a mount
// namespace: its root is not the root of its mount namespace.
func (e *Entry) Chroot(p *plan.Plan, pid int) error {
	f, err := os.OpenFile(proc.Dir(pid)+"/root", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the container's root: %w", err)
	}
	e.root = f
	if unix.PidfdSendSignal(int(e.pidfd.Fd()), 0, nil, 0) == unix.ESRCH {
		return fmt.Errorf("open the container's root: %w", os.ErrProcessDone) // and the number may be another's
	}
	p.Act("change to the container's root")
	p.Do("fchdir", unix.SYS_FCHDIR, plan.C(int(f.Fd())))
	p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
	return nil
}
