package userns

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// The Go runtime keeps these three open for programs that fork by themselves
// (go.dev/issue/67401): all signals are blocked around the clone, and handlers
// are reset in the child.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// Packets from the child. One packet is one message on a SOCK_SEQPACKET
// socket: kind, step, errno as native 32-bit words, and for a failure the
// words of the step, for a reader that does not have the plan.
const (
	packetGate = 1 + iota
	packetNote
	packetFail
	packetFile // with an fd; sent by a step, see HandOver
)

// Exit statuses of a child that never became its payload.
const (
	exitFailed = 125 // a step failed and was reported
	exitAlone  = 124 // nobody answered at a gate
)

const header = 12

// opVfork is a fork whose new process uses the old one's memory and stack while
// the old one sleeps. When that has become another program, the old one begins
// [child] anew at the step it was to go to.
const opVfork plan.Op = 255

// op is a step with every pointer resolved and every label a number.
type op struct {
	kind           plan.Op
	nr             uintptr
	args           [6]uintptr
	regs           [6]int32 // register that replaces the argument; 0 none
	out            int32
	zero, nonzero  int32 // step to go to; -1 none
	handlers       []handler
	word           *uint32 // Store, Check
	mask, value    uint32
	errno          syscall.Errno
	words, wordLen uintptr
}

type handler struct {
	errno syscall.Errno
	to    int32
}

type program struct {
	ops    []op
	regs   []uintptr
	packet [3]uint32 // kind, step, errno
	answer [4]byte
	pidfd  int32      // the kernel writes it; not on our stack, which may move
	clone  clone3Args // is told where
	iov    [2]unix.Iovec
	msg    unix.Msghdr
	group  uint64  // the cgroup that CLONE_INTO_CGROUP means
	report uintptr // the fd that gates, notes and failures go to
	other  uintptr // the parent's end of it, of which the child has a copy
	plan   *plan.Plan
	acts   map[string][]byte

	shared   bool    // the child uses this memory itself, not a copy
	launches bool    // and makes another one that does
	mask     uint64  // signals that were blocked before the fork
	stack    []byte  // of a child that shares
	top      uintptr // its end
	entry    uintptr // where the code of [child] begins
	fault    *uint32 // always nil
	start    int32   // the step to begin with
}

// prepare turns a plan into a program. Everything the child will read lies in
// memory reachable from the program, which the caller keeps alive until the
// child has executed; heap objects do not move.
func prepare(p *plan.Plan, report, other int) *program {
	pr := &program{
		ops: make([]op, len(p.Steps)+1), regs: make([]uintptr, p.Regs()+1),
		report: uintptr(report), other: uintptr(other), plan: p, acts: map[string][]byte{},
	}
	pr.iov[0].Base = (*byte)(unsafe.Pointer(&pr.packet[0]))
	pr.iov[0].SetLen(header)
	pr.msg.Iov = &pr.iov[0]
	pr.msg.SetIovlen(2)
	for i, s := range p.Steps {
		pr.compile(&pr.ops[i], s, i)
		// A plan that shares memory forks for one reason, a launcher that ends.
		if o := &pr.ops[i]; sharing && !p.Private && s.Op == plan.Call && s.Nr == unix.SYS_CLONE {
			o.kind, o.args[0] = opVfork, o.args[0]|unix.CLONE_VM|unix.CLONE_VFORK
			pr.launches = true
		}
	}
	if sharing && !p.Private {
		pr.makeStack()
	}
	// A plan that ends without exec or exit ends here, not in what lies behind.
	last := &pr.ops[len(p.Steps)]
	last.nr, last.args[0], last.zero, last.nonzero = unix.SYS_EXIT_GROUP, exitFailed, -1, -1
	return pr
}

// begin is [child] as a value, whose first word is where its code is.
var begin = child

// makeStack makes the stack of a child that shares our memory.
func (pr *program) makeStack() {
	const size = 16 << 10
	pr.stack = make([]byte, size)
	// Above it the function called keeps its argument (Go's internal ABI).
	pr.top = (uintptr(unsafe.Pointer(&pr.stack[0])) + size - 64) &^ 15
	pr.entry = **(**uintptr)(unsafe.Pointer(&begin))
}

func (pr *program) compile(o *op, s *plan.Step, i int) {
	o.kind, o.nr, o.out = s.Op, s.Nr, int32(s.Out)
	o.mask, o.value, o.errno = s.Mask, s.Value, s.Errno
	o.zero, o.nonzero = pr.target(s.Zero, i), pr.target(s.Nonzero, i)
	for j, a := range s.Args {
		o.args[j], o.regs[j] = a.Val, int32(a.Reg)
		if a.Mem != nil {
			o.args[j] = resolve(a.Mem) + uintptr(a.Off)
		}
		if a.Own {
			o.args[j] = pr.report
		}
	}
	for _, h := range s.Handlers {
		o.handlers = append(o.handlers, handler{h.Errno, pr.target(h.To, i)})
	}
	if s.Mem != nil {
		o.word = (*uint32)(unsafe.Pointer(&s.Mem.Data[s.Off : s.Off+4][0]))
	}
	words, ok := pr.acts[s.Act]
	if !ok {
		words = []byte(s.Act)
		pr.acts[s.Act] = words
	}
	if len(words) > 0 {
		o.words, o.wordLen = uintptr(unsafe.Pointer(&words[0])), uintptr(len(words))
	}
}

func (pr *program) target(l plan.Label, i int) int32 {
	if l == 0 {
		return -1
	}
	return int32(pr.plan.Target(l, i))
}

// resolve fills the pointers of m and what it points at, and returns its
// address. Memory shared by two steps is resolved twice to the same words.
func resolve(m *plan.Mem) uintptr {
	for _, q := range m.Ptrs {
		*(*uintptr)(unsafe.Pointer(&m.Data[q.Off : q.Off+8][0])) = resolve(q.To)
	}
	if len(m.Data) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&m.Data[0]))
}

// clone3Args is struct clone_args of clone3(2), third version (Linux 5.7).
type clone3Args struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
	setTID, setTIDSize, cgroup                                           uint64
}

// fork makes the child and lets it run the program. Only the parent returns:
// the child's pid and its pidfd.
func (pr *program) fork(flags uintptr) (int, int, syscall.Errno) {
	if sharing && !pr.plan.Private && flags&unix.CLONE_NEWTIME == 0 {
		pid, pidfd, errno := pr.forkShared(flags)
		// Outer seccomp filters often refuse clone3(2), with either errno.
		if errno != syscall.ENOSYS && errno != syscall.EPERM {
			return pid, pidfd, errno
		}
	}
	return pr.forkCopy(flags)
}

// forkShared makes a child that works in our memory, on a stack of its own, until
// its exec. A copy would cost a page fault for each page that either of us writes
// to afterwards, and each fault of ours an interrupt of all our threads' processors.
//
// Handlers are reset by the kernel (CLONE_CLEAR_SIGHAND, Linux 5.5) and not by the
// runtime, whose way of doing it stops at a global variable of ours.
func (pr *program) forkShared(flags uintptr) (int, int, syscall.Errno) {
	pr.shared = true
	base := uint64(uintptr(unsafe.Pointer(&pr.stack[0])))
	pr.clone = clone3Args{
		flags: uint64(flags) | unix.CLONE_PIDFD | unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND, pidfd: uint64(uintptr(unsafe.Pointer(&pr.pidfd))),
		exitSignal: uint64(unix.SIGCHLD), stack: base, stackSize: uint64(pr.top) - base, cgroup: pr.group,
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, 0, uintptr(unsafe.Pointer(&pr.mask)), 8, 0, 0)
	beforeFork()
	pid, errno := cloneShared(&pr.clone, unsafe.Sizeof(pr.clone), pr.entry, pr)
	afterFork()
	runtime.KeepAlive(pr)
	if errno != 0 {
		pr.shared = false
	}
	return int(pid), int(pr.pidfd), syscall.Errno(errno)
}

// forkCopy makes a child with a copy of our memory, as fork(2) does.
//
//go:noinline
//go:norace
//go:nocheckptr
func (pr *program) forkCopy(flags uintptr) (int, int, syscall.Errno) {
	var (
		pid   uintptr
		errno syscall.Errno
	)
	flags |= unix.CLONE_PIDFD
	// clone(2) has no bit left for CLONE_NEWTIME and none above 32; clone3(2) does,
	// but outer seccomp filters often refuse it, so it is used only then.
	useClone3 := flags&(unix.CLONE_NEWTIME|unix.CLONE_INTO_CGROUP) != 0
	if useClone3 {
		pr.clone = clone3Args{flags: uint64(flags), pidfd: uint64(uintptr(unsafe.Pointer(&pr.pidfd))), exitSignal: uint64(unix.SIGCHLD), cgroup: pr.group}
	}
	beforeFork()
	if useClone3 {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&pr.clone)), unsafe.Sizeof(pr.clone), 0, 0, 0, 0)
	} else {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, uintptr(unsafe.Pointer(&pr.pidfd)), 0, 0, 0)
	}
	if errno != 0 || pid != 0 {
		afterFork()
		runtime.KeepAlive(pr)
		return int(pid), int(pr.pidfd), errno
	}
	afterForkInChild()
	child(pr)
	return 0, 0, 0 // never
}

// child runs the program. It is all that the child does.
//
// It runs in a process with one thread, none of the runtime's helpers and a
// stack that must not grow; the g that the compiler finds is a thread of our
// parent's. So: no allocation, no call but RawSyscall6, no pointer written (a
// write barrier is a call), all state in memory prepared before, and everything
// in this one frame.
//
//go:nosplit
//go:norace
//go:nocheckptr
func child(pr *program) {
	var (
		r1    uintptr
		errno syscall.Errno
		pc    int32
		o     *op
		a     [6]uintptr
		i     int
	)
	if pr.start != 0 {
		pc = pr.start
		goto next
	}
	if pr.shared {
		syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&pr.mask)), 0, 8, 0, 0)
	}
	// Else this process would keep its own parent's end open, and wait for
	// ever at a gate whose other side has died.
	syscall.RawSyscall6(unix.SYS_CLOSE, pr.other, 0, 0, 0, 0, 0)

next:
	o = &pr.ops[pc]
	errno, r1 = 0, 0
	for i = 0; i < 6; i++ {
		a[i] = o.args[i]
		if o.regs[i] != 0 {
			a[i] = pr.regs[o.regs[i]]
		}
	}
	switch o.kind {
	case plan.Call:
	again:
		r1, _, errno = syscall.RawSyscall6(o.nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno == syscall.EINTR {
			goto again
		}
	case opVfork:
		pr.start = o.nonzero
		r1, errno = vfork(a[0], pr.top, pr.entry, pr)
	case plan.Let:
		r1 = a[0]
	case plan.Store:
		*o.word = uint32(a[0])
	case plan.Check:
		if *o.word&o.mask != o.value {
			errno = o.errno
		}
	case plan.Jump:
		pc = o.zero
		goto next
	case plan.Report:
		pr.report = a[0]
	case plan.Gate, plan.Note:
		pr.packet = [3]uint32{packetNote, uint32(pc), 0}
		if o.kind == plan.Gate {
			pr.packet[0] = packetGate
		}
		// MSG_NOSIGNAL: a note that nobody hears must not kill by SIGPIPE.
		syscall.RawSyscall6(unix.SYS_SENDTO, pr.report, uintptr(unsafe.Pointer(&pr.packet[0])), header, unix.MSG_NOSIGNAL, 0, 0)
		if o.kind == plan.Gate {
		wait:
			r1, _, errno = syscall.RawSyscall6(unix.SYS_READ, pr.report, uintptr(unsafe.Pointer(&pr.answer[0])), 1, 0, 0, 0)
			if errno == syscall.EINTR {
				goto wait
			}
			if errno != 0 || r1 != 1 {
				goto alone
			}
		}
		errno, r1 = 0, 0
	}
	if errno != 0 {
		for i = 0; i < len(o.handlers); i++ {
			if o.handlers[i].errno == errno {
				pc = o.handlers[i].to
				goto next
			}
		}
		for i = 0; i < len(o.handlers); i++ {
			if o.handlers[i].errno == 0 {
				pc = o.handlers[i].to
				goto next
			}
		}
		goto failed
	}
	if o.out != 0 {
		pr.regs[o.out] = r1
	}
	if r1 == 0 && o.zero >= 0 {
		pc = o.zero
		goto next
	}
	if r1 != 0 && o.nonzero >= 0 {
		pc = o.nonzero
		goto next
	}
	pc++
	goto next

failed:
	pr.packet = [3]uint32{packetFail, uint32(pc), uint32(errno)}
	// Written as a word: a pointer store could call the write barrier.
	*(*uintptr)(unsafe.Pointer(&pr.iov[1].Base)) = o.words
	pr.iov[1].Len = uint64(o.wordLen)
	if _, _, errno = syscall.RawSyscall6(unix.SYS_SENDMSG, pr.report, uintptr(unsafe.Pointer(&pr.msg)), unix.MSG_NOSIGNAL, 0, 0, 0); errno != 0 {
		// A seccomp filter of the container's may know only one of them.
		syscall.RawSyscall6(unix.SYS_WRITEV, pr.report, uintptr(unsafe.Pointer(&pr.iov[0])), 2, 0, 0, 0)
	}
	syscall.RawSyscall6(unix.SYS_EXIT_GROUP, exitFailed, 0, 0, 0, 0, 0)
alone:
	syscall.RawSyscall6(unix.SYS_EXIT_GROUP, exitAlone, 0, 0, 0, 0, 0)
	// Nor does it let us end: a fault does, also as a pid namespace's first process.
	pr.fault = nil
	for {
		*pr.fault = 0
	}
}
