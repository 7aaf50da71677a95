package world

import (
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Descriptors leaves the process with 0, 1, 2, those that were asked for, from
// first on the socket to the parent, and then what else it needs, whose new
// numbers it returns. Everything else is really closed, not only at the exec: fds of
// a waiting process are visible in /proc (CVE-2024-21626).
func Descriptors(p *plan.Plan, first int, keep ...plan.Arg) (kept []plan.Reg) {
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

// DefaultSignals undoes what the Go runtime leaves ignored when the caller
// ignores it: a container is a new start and not a job of that shell's.
func DefaultSignals(p *plan.Plan) {
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT} {
		// struct sigaction of the kernel, all zero: SIG_DFL.
		p.Do("rt_sigaction", unix.SYS_RT_SIGACTION, plan.C(int(sig)), plan.M(plan.Longs(0, 0, 0, 0)), plan.C(0), plan.C(8))
	}
}

// InheritedFiles is the limit of open files that we were started with, zero
// where it still holds. Go raises its own soft limit to one below the hard one
// (package syscall, rlimit.go) and remembers the old value where we cannot see
// it; our parent's is the one we inherited.
func InheritedFiles() unix.Rlimit {
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

// RestoreFiles sets the limit of open files again that we were started with; the zero value leaves ours.
func RestoreFiles(p *plan.Plan, files unix.Rlimit) {
	if files == (unix.Rlimit{}) {
		return
	}
	p.Act("restore the soft limit of open files")
	p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(unix.RLIMIT_NOFILE), plan.M(plan.Longs(files.Cur, files.Max)), plan.C(0))
}

// Memfile is an anonymous file with that content, at its beginning, for a child to inherit.
func Memfile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
