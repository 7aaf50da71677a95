package lifecycle

import (
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/plan"
)

// payload appends what only the payload's process does.
func (g *program) payload() error {
	p := g.plan
	p.Act("begin a session")
	p.Do("setsid", unix.SYS_SETSID)
	if !g.KeepSignals {
		defaultSignals(p)
	}
	if g.slave != 0 {
		standard(p, g.slave)
		controlling(p)
	}
	if g.Silent {
		// The caller's device: what the container has by that name could be a link
		// to anything (CVE-2026-88265), and this is before the payload's user is.
		p.Act("leave the caller's standard files")
		for fd := range 3 {
			p.Do("dup3", unix.SYS_DUP3, plan.C(g.null), plan.C(fd), plan.C(0))
		}
	} else {
		ownPipes(p, g.Spec.Process)
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
	kept := descriptors(p, 3+g.PreserveFds, keep...)
	g.run.restoreFiles(p)
	if err := g.proc.Limits(p); err != nil {
		return err
	}
	if err := confine.Tune(p, tuning(g.Spec)); err != nil {
		return err
	}
	scope(p, g.proc, g.Scoped && g.run.scopes())
	g.proc.Cwd(p)
	program := g.proc.Find(p)
	if g.idle != 0 {
		g.awaitInit(kept[len(kept)-1])
	}
	return g.filter.end(p, g.proc, g.seen(), func(last ending) error {
		g.ready(program, last)
		return nil
	})
}

// ready appends the end of a start: the payload waits until it is recorded, and where
// that is asked for until it is started.
func (g *program) ready(program plan.Reg, last ending) {
	p := g.plan
	g.visible()
	if g.Attached && !g.Init {
		// After the change of ids, which clears it (prctl(2)); the gate behind
		// it finds a parent that has died before.
		p.Act("end with the foreground process")
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	p.Act("wait until the state is recorded")
	if h := g.Spec.Hooks; h != nil && len(h.StartContainer) > 0 {
		p.Act("wait until the state is recorded; at start, the hooks %s", strings.Join(hookWords("startContainer", h.StartContainer), ", "))
	}
	p.Gate(gateReady)
	parent := plan.C(3 + g.PreserveFds)
	if g.listen >= 0 {
		parent = plan.R(g.waitForStart())
	}
	g.proc.Exec(p, program, func() { last(parent) })
}

// descriptors leaves the process with 0, 1, 2, those that were asked for, from
// first on the socket to the parent, and then what else it needs, whose new
// numbers it returns. Everything else is really closed, not only at the exec: fds of
// a waiting process are visible in /proc (CVE-2024-21626).
func descriptors(p *plan.Plan, first int, keep ...plan.Arg) (kept []plan.Reg) {
	p.Act("close every other file descriptor")
	keep = append([]plan.Arg{plan.Parent()}, keep...)
	// All move out of the way before they take the first numbers.
	for i, fd := range keep {
		keep[i] = plan.R(p.Do("fcntl", unix.SYS_FCNTL, fd, plan.C(unix.F_DUPFD_CLOEXEC), plan.C(first+len(keep))).To("kept"))
	}
	for i, fd := range keep {
		kept = append(kept, p.Do("dup3", unix.SYS_DUP3, fd, plan.C(first+i), plan.C(unix.O_CLOEXEC)).To("kept"))
	}
	p.Report(kept[0])
	p.CloseFrom(first+len(keep), 0)
	return kept[1:]
}

// waitForStart is the last gate: one byte from anybody who may open the socket.
// A caller that dies between connecting and writing changes nothing.
func (g *program) waitForStart() plan.Reg {
	p := g.plan
	p.Act("wait to be started")
	again, drop := p.Label("wait"), p.Label("not meant")
	first := 3 + g.PreserveFds
	p.CloseNumber(first) // nobody is there any more
	p.Here(again)
	conn := p.Do("accept4", unix.SYS_ACCEPT4, plan.C(first+1), plan.C(0), plan.C(0), plan.C(unix.SOCK_CLOEXEC)).
		On(unix.ECONNABORTED, again).To("starter")
	p.Do("read", unix.SYS_READ, plan.R(conn), plan.M(plan.Words(0)), plan.C(1)).IfZero(drop).On(plan.AnyErrno, drop)
	started := p.Label("started")
	p.Goto(started)
	p.Here(drop)
	p.Close(conn)
	p.Goto(again)
	p.Here(started)
	p.Report(conn)
	return conn
}

// defaultSignals undoes what the Go runtime leaves ignored when the caller
// ignores it: a container is a new start and not a job of that shell's.
func defaultSignals(p *plan.Plan) {
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT} {
		// struct sigaction of the kernel, all zero: SIG_DFL.
		p.Do("rt_sigaction", unix.SYS_RT_SIGACTION, plan.C(int(sig)), plan.M(plan.Longs(0, 0, 0, 0)), plan.C(0), plan.C(8))
	}
}

// inheritedFiles is the limit of open files that we were started with, zero
// where it still holds. Go raises its own soft limit to one below the hard one
// (package syscall, rlimit.go) and remembers the old value where we cannot see
// it; our parent's is the one we inherited.
func inheritedFiles() unix.Rlimit {
	var ours, theirs unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &ours) != nil || ours.Cur != ours.Max-1 {
		return unix.Rlimit{}
	}
	soft := min(uint64(1024), ours.Max)
	if unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, &theirs) == nil && theirs.Max == ours.Max {
		soft = theirs.Cur
	}
	return unix.Rlimit{Cur: soft, Max: ours.Max}
}

func (r *Runtime) restoreFiles(p *plan.Plan) {
	if r.Files == (unix.Rlimit{}) {
		return
	}
	p.Act("restore the soft limit of open files")
	p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(unix.RLIMIT_NOFILE), plan.M(plan.Longs(r.Files.Cur, r.Files.Max)), plan.C(0))
}

// ownPipes gives the payload the pipes it inherits, so that it may open
// /dev/stdout again by name. Only pipes: a file or terminal of the caller's
// stays the caller's.
func ownPipes(p *plan.Plan, proc *specs.Process) {
	if proc.User.UID == 0 || proc.Terminal {
		return
	}
	for fd := 0; fd < 3; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			p.Act("give the payload its pipe %d", fd)
			p.Do("fchown", unix.SYS_FCHOWN, plan.C(fd), plan.C(int(proc.User.UID)), plan.C(-1)).Ignore(unix.EPERM, unix.EINVAL)
		}
	}
}
