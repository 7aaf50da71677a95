package userns

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// All that the child does is in this file. It runs in a process with one thread, none
// of the runtime's helpers and a stack that must not grow; the g that the compiler
// finds is a thread of our parent's. So each function here is nosplit and calls nothing
// but the others and RawSyscall6; none allocates or writes a pointer (a write barrier
// is a call), and all state is in memory prepared before.

// child runs the program. It does not return.
//
//go:nosplit
//go:norace
func child(pr *program) {
	pc := pr.start
	if pc == 0 {
		strip(pr)
	}
	for {
		o := &pr.ops[pc]
		r1, errno := perform(pr, o, pc)
		if errno == 0 && o.out != 0 {
			pr.regs[o.out] = r1
		}
		next := o.next(pc, r1, errno)
		if next < 0 {
			fail(pr, o, pc, errno)
		}
		pc = next
	}
}

// strip takes from a new child what it has of its parent's: handlers, the mask of a
// fork, memory and the parent's end of their socket.
//
//go:nosplit
//go:norace
func strip(pr *program) {
	if pr.resets {
		resetHandlers(pr)
	}
	if pr.stacked {
		syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, pr.at.mask, 0, 8, 0, 0)
	}
	for i := 0; i < len(pr.forget); i++ {
		syscall.RawSyscall6(unix.SYS_MUNMAP, pr.forget[i].begin, pr.forget[i].end-pr.forget[i].begin, 0, 0, 0, 0)
	}
	if pr.wipe.end > pr.wipe.begin {
		syscall.RawSyscall6(unix.SYS_GETRANDOM, pr.wipe.begin, pr.wipe.end-pr.wipe.begin, 0, 0, 0, 0)
	}
	// Else this process would keep its own parent's end open, and wait for
	// ever at a gate whose other side has died.
	syscall.RawSyscall6(unix.SYS_CLOSE, pr.other, 0, 0, 0, 0, 0)
}

// resetHandlers gives every signal with a handler its default. What is ignored stays so.
//
//go:nosplit
//go:norace
func resetHandlers(pr *program) {
	for i := uintptr(1); i <= signals; i++ {
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, i, 0, pr.at.action, 8, 0, 0)
		if pr.action[0] > ignored {
			pr.action = [4]uintptr{}
			syscall.RawSyscall6(unix.SYS_RT_SIGACTION, i, pr.at.action, 0, 8, 0, 0)
		}
	}
}

// perform does one step and returns what a system call would.
//
//go:nosplit
//go:norace
func perform(pr *program, o *op, pc int32) (r1 uintptr, errno syscall.Errno) {
	first := o.arg(pr, 0)
	switch o.kind {
	case plan.Call:
		errno = syscall.EINTR
		for errno == syscall.EINTR {
			r1, _, errno = syscall.RawSyscall6(o.nr, first, o.arg(pr, 1), o.arg(pr, 2), o.arg(pr, 3), o.arg(pr, 4), o.arg(pr, 5))
		}
	case opVfork:
		pr.start = o.nonzero
		r1, errno = vfork(first, pr.top, pr.entry, pr)
	case plan.Let:
		r1 = first
	case plan.Store:
		*o.word = uint32(first)
	case plan.Load:
		r1 = uintptr(*o.word)
	case plan.Check:
		if *o.word&o.mask != o.value {
			errno = o.errno
		}
	case plan.Report:
		pr.report = first
	case plan.Note:
		tell(pr, packetNote, pc)
	case plan.Gate:
		tell(pr, packetGate, pc)
		wait(pr)
	}
	return r1, errno
}

// arg is argument i of the step, from the register that replaces it if one does.
//
//go:nosplit
//go:norace
func (o *op) arg(pr *program, i int) uintptr {
	if o.regs[i] != 0 {
		return pr.regs[o.regs[i]]
	}
	return o.args[i]
}

// next is the step that follows on what step pc has given, -1 for an error that the
// plan does not handle. A jump gives 0.
//
//go:nosplit
//go:norace
func (o *op) next(pc int32, r1 uintptr, errno syscall.Errno) int32 {
	switch {
	case errno != 0:
		return o.handler(errno)
	case r1 == 0 && o.zero >= 0:
		return o.zero
	case r1 != 0 && o.nonzero >= 0:
		return o.nonzero
	}
	return pc + 1
}

// handler is the step to go to after this error: the handler of the error itself goes
// before the one of all errors (0). -1 is none.
//
//go:nosplit
//go:norace
func (o *op) handler(errno syscall.Errno) int32 {
	all := int32(-1)
	for i := 0; i < len(o.handlers); i++ {
		if o.handlers[i].errno == errno {
			return o.handlers[i].to
		}
		if o.handlers[i].errno == 0 && all < 0 {
			all = o.handlers[i].to
		}
	}
	return all
}

// tell says to the parent that step pc is reached. A note that nobody hears must not
// kill by SIGPIPE (MSG_NOSIGNAL).
//
//go:nosplit
//go:norace
func tell(pr *program, kind uint32, pc int32) {
	pr.packet = [3]uint32{kind, uint32(pc), 0}
	syscall.RawSyscall6(unix.SYS_SENDTO, pr.report, pr.at.packet, header, unix.MSG_NOSIGNAL, 0, 0)
}

// wait returns when the parent lets the child through the gate. Without a parent it ends.
//
//go:nosplit
//go:norace
func wait(pr *program) {
	r1, errno := uintptr(0), syscall.EINTR
	for errno == syscall.EINTR {
		r1, _, errno = syscall.RawSyscall6(unix.SYS_READ, pr.report, pr.at.answer, 1, 0, 0, 0)
	}
	if errno != 0 || r1 != 1 {
		die(pr, exitAlone)
	}
}

// fail says to the parent at which step the program has failed and why, and ends.
//
//go:nosplit
//go:norace
func fail(pr *program, o *op, pc int32, errno syscall.Errno) {
	pr.packet = [3]uint32{packetFail, uint32(pc), uint32(errno)}
	pr.iov[1] = o.text
	if _, _, errno = syscall.RawSyscall6(unix.SYS_SENDMSG, pr.report, pr.at.msg, unix.MSG_NOSIGNAL, 0, 0, 0); errno != 0 {
		// A seccomp filter of the container's may know only one of them.
		syscall.RawSyscall6(unix.SYS_WRITEV, pr.report, pr.at.iov, 2, 0, 0, 0)
	}
	die(pr, exitFailed)
}

// die ends the child.
//
//go:nosplit
//go:norace
func die(pr *program, status uintptr) {
	syscall.RawSyscall6(unix.SYS_EXIT_GROUP, status, 0, 0, 0, 0, 0)
	// A seccomp filter does not let us end: a fault does, also as a pid namespace's first process.
	for {
		*pr.fault = 0
	}
}
