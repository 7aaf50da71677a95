package seccomp

import "golang.org/x/sys/unix"

// Only makes a filter for a process of ours that needs a few system calls and is to be
// of no use to whoever takes it over: every other call, and every call of another
// architecture, is EPERM.
func Only(calls ...uint32) (*Filter, error) {
	list, err := archesOf(nil)
	if err != nil {
		return nil, err
	}
	a := &assembler{}
	refused, allowed := a.ret(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)), a.ret(unix.SECCOMP_RET_ALLOW)
	next := refused
	for _, nr := range calls {
		next = a.jump(unix.BPF_JEQ, nr, allowed, next)
	}
	next = a.jump(unix.BPF_JEQ, list[0].audit, a.load(offNumber, next), refused)
	a.load(offArch, next)
	program, err := a.program()
	return &Filter{Program: program}, err
}
