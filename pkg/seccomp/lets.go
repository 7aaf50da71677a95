package seccomp

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Lets says whether all of these steps get through the filter: what a process of ours
// still has to do once it is under it. What an argument will be is not known of an
// address or a descriptor; a filter that cares is taken to refuse it. Filters that trace
// or ask somebody are no way for a process that nobody watches yet.
func (f *Filter) Lets(steps []*plan.Step) bool {
	for _, s := range steps {
		switch s.Op {
		case plan.Call:
			if !f.lets(s.Nr, s.Args) {
				return false
			}
		case plan.Gate, plan.Note:
			if !f.lets(unix.SYS_SENDTO, told) || !f.lets(unix.SYS_READ, told) {
				return false
			}
		}
	}
	// How a step that fails tells of it, and ends (userns, child).
	return (f.lets(unix.SYS_SENDMSG, told) || f.lets(unix.SYS_WRITEV, told)) && f.lets(unix.SYS_EXIT_GROUP, told)
}

// told are arguments that will be known in the child.
var told = []plan.Arg{plan.R(1), plan.R(1), plan.R(1), plan.R(1), plan.R(1), plan.R(1)}

func (f *Filter) lets(nr uintptr, args []plan.Arg) bool {
	list, err := archesOf(nil)
	if err != nil {
		return false
	}
	for _, unknown := range []uint64{3, 1 << 46} {
		d := data{nr: uint32(nr), arch: list[0].audit}
		for i, a := range args {
			if d.args[i] = uint64(a.Val); a.Mem != nil || a.Reg != 0 || a.Own {
				d.args[i] = unknown
			}
		}
		ret, _, err := machine(f.Program, &d, list[0].big)
		if action := ret & unix.SECCOMP_RET_ACTION_FULL; err != nil || action != unix.SECCOMP_RET_ALLOW && action != unix.SECCOMP_RET_LOG {
			return false
		}
	}
	return true
}
