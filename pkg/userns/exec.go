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

// prepare turns a plan into a program. Everything the child will read lies in
// memory reachable from the program, which the caller keeps alive until the
// child has executed; heap objects do not move.
func prepare(p *plan.Plan, report, other int) (*launch, error) {
	l := &launch{plan: p}
	if ownStack && p.Private {
		if err := l.memory.open(size(p)); err != nil {
			return nil, err
		}
	}
	l.program = &room[program](&l.memory, 1)[0]
	l.ops, l.regs = room[op](&l.memory, len(p.Steps)+1), room[uintptr](&l.memory, p.Regs()+1)
	l.report, l.other = uintptr(report), uintptr(other)
	l.locate()
	for i, s := range p.Steps {
		l.compile(&l.ops[i], s, i)
	}
	if ownStack {
		l.makeStack()
	}
	l.forgetful()
	// A plan that ends without exec or exit ends here, not in what lies behind.
	last := &l.ops[len(p.Steps)]
	last.nr, last.args[0], last.zero, last.nonzero = unix.SYS_EXIT_GROUP, exitFailed, -1, -1
	return l, nil
}

// locate notes where the parts lie that the child hands to the kernel, so that it need not ask.
func (l *launch) locate() {
	l.at = addresses{
		mask: uintptr(unsafe.Pointer(&l.mask)), action: uintptr(unsafe.Pointer(&l.action)), packet: uintptr(unsafe.Pointer(&l.packet)),
		answer: uintptr(unsafe.Pointer(&l.answer)), iov: uintptr(unsafe.Pointer(&l.iov)), msg: uintptr(unsafe.Pointer(&l.msg)),
	}
	l.iov[0] = vector{l.at.packet, header}
	l.msg.Iov = (*unix.Iovec)(unsafe.Pointer(&l.iov))
	l.msg.SetIovlen(2)
}

// begin is [child] as a value, whose first word is where its code is.
var begin = child

// makeStack makes the stack of a child that does not begin on ours.
func (l *launch) makeStack() {
	l.stack = room[byte](&l.memory, stackSize)
	// Above it the function called keeps its argument (Go's internal ABI).
	l.top = (address(l.stack) + stackSize - 64) &^ 15
	l.entry = **(**uintptr)(unsafe.Pointer(&begin))
}

func (l *launch) compile(o *op, s *plan.Step, i int) {
	o.kind, o.nr, o.out = s.Op, s.Nr, int32(s.Out)
	o.mask, o.value, o.errno = s.Mask, s.Value, s.Errno
	o.zero, o.nonzero = l.target(s.Zero, i), l.target(s.Nonzero, i)
	for j, a := range s.Args {
		o.args[j], o.regs[j] = a.Val, int32(a.Reg)
		if a.Mem != nil {
			o.args[j] = l.memory.place(a.Mem) + uintptr(a.Off)
		}
		if a.Own {
			o.args[j] = l.report
		}
	}
	if len(s.Handlers) > 0 {
		o.handlers = room[handler](&l.memory, len(s.Handlers))
		for j, h := range s.Handlers {
			o.handlers[j] = handler{h.Errno, l.target(h.To, i)}
		}
	}
	if s.Mem != nil {
		l.memory.place(s.Mem)
		o.word = (*uint32)(unsafe.Pointer(&s.Mem.Child[s.Off : s.Off+4][0]))
	}
	// Acts are many steps long.
	if i > 0 && s.Act == l.plan.Steps[i-1].Act {
		o.words, o.text = l.ops[i-1].words, l.ops[i-1].text
	} else {
		o.words = room[byte](&l.memory, len(s.Act))
		copy(o.words, s.Act)
		o.text = vector{address(o.words), uintptr(len(o.words))}
	}
	// A plan that shares memory forks for one reason, a launcher that ends.
	if ownStack && !l.plan.Private && s.Op == plan.Call && s.Nr == unix.SYS_CLONE {
		o.kind, o.args[0] = opVfork, o.args[0]|unix.CLONE_VM|unix.CLONE_VFORK
		l.launches = true
	}
}

// room makes a slice that the child will find.
func room[T any](m *memory, n int) []T {
	if m.mapped == nil || n == 0 {
		return make([]T, n)
	}
	size := grained(n * int(unsafe.Sizeof(*new(T))))
	b := m.left[:size]
	m.left = m.left[size:]
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}

// place puts a block of the plan, and what it points at, where the child will find
// it, once, and returns its address there.
func (m *memory) place(b *plan.Mem) uintptr {
	switch {
	case len(b.Data) == 0:
		return 0
	case m.mapped == nil:
		b.Child = b.Data
	case b.Child != nil:
		return address(b.Child)
	default:
		b.Child = room[byte](m, len(b.Data))
		copy(b.Child, b.Data)
	}
	for _, q := range b.Ptrs {
		*(*uintptr)(unsafe.Pointer(&b.Child[q.Off : q.Off+8][0])) = m.place(q.To)
	}
	return address(b.Child)
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// size is how much room a plan takes at most, with what it placed before forgotten.
func size(p *plan.Plan) int {
	n := grained(int(unsafe.Sizeof(program{}))) + grained((len(p.Steps)+1)*int(unsafe.Sizeof(op{}))) +
		grained((p.Regs()+1)*8) + stackSize + grained(maxSpans*int(unsafe.Sizeof(span{})))
	for i, s := range p.Steps {
		n += grained(len(s.Handlers) * int(unsafe.Sizeof(handler{})))
		if i == 0 || s.Act != p.Steps[i-1].Act {
			n += grained(len(s.Act))
		}
		for _, a := range s.Args {
			n += measure(a.Mem)
		}
		n += measure(s.Mem)
	}
	return n
}

// image is where our text and data are, by the program headers that the kernel
// names (AT_PHDR); the first page of it has them.
func image(headers, size, count uintptr) span {
	// struct Elf64_Phdr, elf(5).
	type header struct {
		kind, flags                                        uint32
		offset, virtual, physical, inFile, inMemory, align uint64
	}
	const load = 1
	lowest, end := ^uint64(0), uint64(0)
	for i := range count {
		if h := (*header)(at(headers + i*size)); h.kind == load {
			lowest, end = min(lowest, h.virtual), max(end, h.virtual+h.inMemory)
		}
	}
	begin := headers &^ (page() - 1)
	return span{begin, begin + uintptr(end-lowest&^uint64(page()-1))}
}

// at is an address that the kernel has told, of memory that Go knows nothing of.
func at(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// forkStacked makes a child that begins on a stack of its own. Unless the plan is
// private it works in our memory until its exec: a copy would cost a page fault for
// each page that either of us writes to afterwards, and each fault of ours an
// interrupt of all our threads' processors.
//
// Handlers are reset by the kernel (CLONE_CLEAR_SIGHAND, Linux 5.5) and not by the
// runtime, whose way of doing it stops at a global variable of ours.
func (l *launch) forkStacked(flags uintptr) (int, int, syscall.Errno) {
	base := uint64(address(l.stack))
	l.clone = clone3Args{
		flags: uint64(flags) | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND, pidfd: uint64(uintptr(unsafe.Pointer(&l.pidfd))),
		exitSignal: uint64(unix.SIGCHLD), stack: base, stackSize: uint64(l.top) - base, cgroup: l.group,
	}
	if !l.plan.Private {
		l.clone.flags |= unix.CLONE_VM
	}
	return l.begin(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&l.clone)), unsafe.Sizeof(l.clone), 0)
}

// forkOld does what forkStacked does with clone(2) in place of clone3(2). The child
// has memory of its own.
func (l *launch) forkOld(flags uintptr) (int, int, syscall.Errno) {
	l.resets = true
	return l.begin(unix.SYS_CLONE, flags|unix.CLONE_PIDFD|uintptr(unix.SIGCHLD), l.top, uintptr(unsafe.Pointer(&l.pidfd)))
}

func (l *launch) begin(call, a, b, c uintptr) (int, int, syscall.Errno) {
	l.stacked = true
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, 0, uintptr(unsafe.Pointer(&l.mask)), 8, 0, 0)
	l.advise(unix.MADV_DONTFORK)
	beforeFork()
	pid, errno := cloneOnto(call, a, b, c, l.entry, l.program)
	afterFork()
	l.advise(unix.MADV_DOFORK)
	runtime.KeepAlive(l)
	l.stacked = errno == 0
	return int(pid), int(l.pidfd), syscall.Errno(errno)
}

// forkCopy makes a child with a copy of our memory that goes on on a copy of our
// stack, as fork(2) does.
//
//go:noinline
//go:norace
//go:nocheckptr
func (l *launch) forkCopy(flags uintptr) (int, int, syscall.Errno) {
	var (
		pid   uintptr
		errno syscall.Errno
	)
	if len(l.forget) > 0 {
		l.forget = nil // it needs our stack
		l.wipe = environment()
	}
	flags |= unix.CLONE_PIDFD
	// Outer seccomp filters often refuse clone3(2), so it is used only where it must be.
	useClone3 := flags&needClone3 != 0
	if useClone3 {
		l.clone = clone3Args{flags: uint64(flags), pidfd: uint64(uintptr(unsafe.Pointer(&l.pidfd))), exitSignal: uint64(unix.SIGCHLD), cgroup: l.group}
	}
	pr := l.program
	beforeFork()
	if useClone3 {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&l.clone)), unsafe.Sizeof(l.clone), 0, 0, 0, 0)
	} else {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, uintptr(unsafe.Pointer(&l.pidfd)), 0, 0, 0)
	}
	if errno != 0 || pid != 0 {
		afterFork()
		runtime.KeepAlive(l)
		return int(pid), int(l.pidfd), errno
	}
	afterForkInChild()
	child(pr)
	return 0, 0, 0 // never
}
