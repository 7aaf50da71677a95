package confine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// resource is the number of an rlimit by its name in the spec; setrlimit(2).
func resource(name string) (int, bool) {
	switch name {
	case "RLIMIT_CPU":
		return unix.RLIMIT_CPU, true
	case "RLIMIT_FSIZE":
		return unix.RLIMIT_FSIZE, true
	case "RLIMIT_DATA":
		return unix.RLIMIT_DATA, true
	case "RLIMIT_STACK":
		return unix.RLIMIT_STACK, true
	case "RLIMIT_CORE":
		return unix.RLIMIT_CORE, true
	case "RLIMIT_RSS":
		return unix.RLIMIT_RSS, true
	case "RLIMIT_NPROC":
		return unix.RLIMIT_NPROC, true
	case "RLIMIT_NOFILE":
		return unix.RLIMIT_NOFILE, true
	case "RLIMIT_MEMLOCK":
		return unix.RLIMIT_MEMLOCK, true
	case "RLIMIT_AS":
		return unix.RLIMIT_AS, true
	case "RLIMIT_LOCKS":
		return unix.RLIMIT_LOCKS, true
	case "RLIMIT_SIGPENDING":
		return unix.RLIMIT_SIGPENDING, true
	case "RLIMIT_MSGQUEUE":
		return unix.RLIMIT_MSGQUEUE, true
	case "RLIMIT_NICE":
		return unix.RLIMIT_NICE, true
	case "RLIMIT_RTPRIO":
		return unix.RLIMIT_RTPRIO, true
	case "RLIMIT_RTTIME":
		return unix.RLIMIT_RTTIME, true
	}
	return 0, false
}

// limits appends the rlimits. One above our own hard limit needs
// CAP_SYS_RESOURCE of the initial user namespace; without it the payload gets
// the most there is, and lost says so.
func limits(p *plan.Plan, list []specs.POSIXRlimit, hard func(resource int) uint64) (lost []string, err error) {
	for i, l := range list {
		r, ok := resource(l.Type)
		if !ok {
			return nil, fmt.Errorf("process.rlimits[%d].type: unknown limit %q", i, l.Type)
		}
		if most := hard(r); l.Hard > most {
			lost = append(lost, fmt.Sprintf("%s is %d, not %d", l.Type, most, l.Hard))
			l.Hard, l.Soft = most, min(l.Soft, most)
		}
		p.Act("set %s", l.Type)
		p.About(attempt(kernel.Op{Do: kernel.Setrlimit, Path: l.Type, Want: l.Hard}))
		limit := plan.Longs(l.Soft, l.Hard).Show(func() string { return fmt.Sprintf("{soft %d, hard %d}", l.Soft, l.Hard) })
		p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(r), plan.M(limit), plan.C(0))
	}
	return lost, nil
}

// raised are the hard limits of a list that are above those of this process: only
// CAP_SYS_RESOURCE of the initial user namespace reaches them, so that they come
// before another one is entered.
func raised(list []specs.POSIXRlimit) map[int]unix.Rlimit {
	up := make(map[int]unix.Rlimit)
	for _, l := range list {
		var have unix.Rlimit
		if r, ok := resource(l.Type); ok && unix.Getrlimit(r, &have) == nil && l.Hard > have.Max {
			up[r] = unix.Rlimit{Cur: have.Cur, Max: l.Hard}
		}
	}
	return up
}

// Raise appends what lets a process set its limits after it has entered another
// user namespace.
func Raise(p *plan.Plan, list []specs.POSIXRlimit) {
	up := raised(list)
	for _, r := range slices.Sorted(maps.Keys(up)) {
		l := up[r]
		p.Act("let limit %d go up to %d", r, l.Max)
		p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(r), plan.M(plan.Longs(l.Cur, l.Max)), plan.C(0))
	}
}

// Ahead prepares for a fork between [Process.Drop] and [Process.Limits], and returns the
// Facts.Processes of that. Hard limits go up while there is the right to it, where raises
// says that. The limit of processes is as high as it can be meanwhile: the caller's was never
// meant for the payload's user, and under the payload's own the process that forks would
// count as one too many.
func Ahead(p *plan.Plan, list []specs.POSIXRlimit, raises bool) unix.Rlimit {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &l) != nil {
		return unix.Rlimit{}
	}
	most := l.Max
	if raises {
		Raise(p, list)
		if up, ok := raised(list)[unix.RLIMIT_NPROC]; ok {
			most = up.Max
		}
	}
	if l.Cur == most {
		return unix.Rlimit{}
	}
	p.Act("let no limit of processes be in the way of the fork")
	p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(unix.RLIMIT_NPROC), plan.M(plan.Longs(most, most)), plan.C(0))
	return unix.Rlimit{Cur: l.Cur, Max: most}
}

// RaiseOf is Raise for a process that was born in another user namespace, done by
// its parent.
func RaiseOf(pid int, list []specs.POSIXRlimit) error {
	for r, l := range raised(list) {
		if err := unix.Prlimit(pid, r, &l, nil); err != nil {
			return fmt.Errorf("process.rlimits: let limit %d go up to %d: %w", r, l.Max, err)
		}
	}
	return nil
}
