package lifecycle

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/userns"
)

// entry is a way into the namespaces of a running process.
type entry struct {
	pidfd, root *os.File
	userns      bool
	forks       bool // it has a pid namespace of its own, which takes a fork to be in
	launcher    plan.Label
	labels      labels
}

// enter begins a plan with the steps into the namespaces of pid; 0 stays where
// we are. Into the pid namespace leads [entry.born]. The process must be held by its recorded start time or be our own
// child, so that the pid is still its own.
func (r *Runtime) enter(p *plan.Plan, pid int) (*entry, error) {
	e := &entry{}
	if pid == 0 {
		return e, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("open the container's process: %w", err)
	}
	e.pidfd = os.NewFile(uintptr(fd), "pidfd")
	flags, err := foreign(pid)
	if err != nil {
		e.close()
		if errors.Is(err, os.ErrNotExist) {
			return nil, errStopped // it is dying, and has left its namespaces already
		}
		return nil, err
	}
	e.userns = flags&unix.CLONE_NEWUSER != 0
	// What runs here must not be looked into by processes of the container
	// before it has become one of them (CVE-2016-9962).
	p.Act("keep the container out of this process")
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	if flags == 0 {
		return e, nil
	}
	p.Act("join the namespaces of process %d", pid)
	p.Setns(plan.C(int(e.pidfd.Fd())), flags)
	e.forks = flags&unix.CLONE_NEWPID != 0
	return e, nil
}

// born appends the birth into the container's pid namespace. From there on the container
// sees the process, and who may trace there (CAP_SYS_PTRACE in the user namespace that
// the process is in) has all that it has: its rights, its files, its memory. So whatever
// the payload is not to have is given up before, and behind it comes only what takes no
// right.
func (e *entry) born(p *plan.Plan) {
	if !e.forks {
		return
	}
	p.Act("be born in the container's pid namespace")
	e.launcher = p.Label("first process")
	p.Fork(0, e.launcher)
	p.Note(userns.NoteBorn)
}

// leave ends the plan's first process, whose brother goes on.
func (e *entry) leave(p *plan.Plan) {
	if e.launcher != 0 {
		p.Here(e.launcher)
		p.Exit(0)
	}
}

func (e *entry) close() {
	e.labels.close()
	for _, f := range []*os.File{e.pidfd, e.root} {
		if f != nil {
			f.Close()
		}
	}
}

// chroot follows a container that was started with --no-pivot, or without a mount
// namespace: its root is not the root of its mount namespace.
func (e *entry) chroot(p *plan.Plan, pid int) error {
	f, err := os.OpenFile(proc.Dir(pid)+"/root", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the container's root: %w", err)
	}
	e.root = f
	p.Act("change to the container's root")
	p.Do("fchdir", unix.SYS_FCHDIR, plan.C(int(f.Fd())))
	p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
	return nil
}
