package userns

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

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

// stackSize is that of a child that does not begin on our stack, bytes.
const stackSize = 16 << 10

// Signals of the kernel's, and the handler that is SIG_IGN.
const (
	signals = 64
	ignored = 1
)

// opVfork is a fork whose new process uses the old one's memory and stack while
// the old one sleeps. When that has become another program, the old one begins
// [child] anew at the step it was to go to.
const opVfork plan.Op = 255

// op is a step with every pointer resolved and every label a number.
type op struct {
	kind          plan.Op
	nr            uintptr
	args          [6]uintptr
	regs          [6]int32 // register that replaces the argument; 0 none
	out           int32
	zero, nonzero int32 // step to go to; -1 none
	handlers      []handler
	word          *uint32 // Store, Load, Check
	mask, value   uint32
	errno         syscall.Errno
	words         []byte
	text          vector // of words
}

// vector is struct iovec of readv(2), with an address that is no pointer to the compiler.
type vector struct{ base, size uintptr }

// addresses are where the parts of a program lie that the child hands to the kernel.
type addresses struct{ mask, action, packet, answer, iov, msg uintptr }

type handler struct {
	errno syscall.Errno
	to    int32
}

// program is what the child has: the steps and all that they name. A child with
// memory of its own has nothing else, see [memory].
type program struct {
	ops    []op
	regs   []uintptr
	packet [3]uint32 // kind, step, errno
	answer [4]byte
	iov    [2]vector
	at     addresses
	msg    unix.Msghdr
	report uintptr // the fd that gates, notes and failures go to
	other  uintptr // the parent's end of it, of which the child has a copy

	stacked bool       // the child begins on a stack of its own, without the runtime's help
	resets  bool       // and has handlers of the runtime's to forget
	action  [4]uintptr // struct sigaction of the kernel
	mask    uint64     // signals that were blocked before the fork
	top     uintptr    // the end of its stack
	entry   uintptr    // where the code of [child] begins
	fault   *uint32    // always nil
	start   int32      // the step to begin with
	forget  []span     // memory that the child lets go of first
	wipe    span       // or, where it cannot, the environment that it overwrites
}

// launch is a program with what its parent needs to begin it.
type launch struct {
	*program
	plan     *plan.Plan
	memory   memory
	stack    []byte // of a child that begins on its own
	pidfd    int32  // the kernel writes it; not on our stack, which may move
	clone    clone3Args
	group    uint64 // the cgroup that CLONE_INTO_CGROUP means
	launches bool   // the child shares our memory, and makes another one that does
}

func (l *launch) target(to plan.Label, i int) int32 {
	if to == 0 {
		return -1
	}
	return int32(l.plan.Target(to, i))
}
