package confine

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

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
		limit := plan.Longs(l.Soft, l.Hard).Show(func() string { return fmt.Sprintf("{soft %d, hard %d}", l.Soft, l.Hard) })
		p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(r), plan.M(limit), plan.C(0))
	}
	return lost, nil
}
