package seccomp

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Load appends the system call that puts the calling process under the filter
// (seccomp(2)). The kernel wants no_new_privs or an effective CAP_SYS_ADMIN. With a
// listener the step's result is its fd, closed on exec.
func (f *Filter) Load(p *plan.Plan) *plan.Step {
	program := plan.Bytes(f.Program)
	// struct sock_fprog: how many instructions, padding, where.
	fprog := plan.Bytes(make([]byte, 16)).Point(8, program).Show(func() string {
		return "{" + strconv.Itoa(len(f.Program)/8) + " instructions}"
	})
	binary.NativeEndian.PutUint16(fprog.Data, uint16(len(f.Program)/8))
	return p.Do("seccomp", unix.SYS_SECCOMP, plan.F(unix.SECCOMP_SET_MODE_FILTER, modes), plan.F(uintptr(f.Flags), flagNames), plan.M(fprog))
}

func modes() []plan.Flag {
	return []plan.Flag{{Bit: unix.SECCOMP_SET_MODE_FILTER, Name: "SECCOMP_SET_MODE_FILTER"}}
}

func flagNames() []plan.Flag {
	return []plan.Flag{
		{Bit: unix.SECCOMP_FILTER_FLAG_LOG, Name: "SECCOMP_FILTER_FLAG_LOG"},
		{Bit: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, Name: "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
		{Bit: unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, Name: "SECCOMP_FILTER_FLAG_NEW_LISTENER"},
		{Bit: unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Name: "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
	}
}
