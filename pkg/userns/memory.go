package userns

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// memory is where a program lies: our heap for a child that works in it, and for one
// that gets a copy a mapping of its own. That child gets nothing else, or lets go of it
// first (advise, forget), so that nothing of the caller's is in a process that a payload
// may come to look into: no environment, no command line, no configuration, no records.
// It is also less to copy, for us and for the forks of such a child, and no page of ours
// is shared with it, to be copied when we write to it.
type memory struct{ mapped, left []byte }

func (m *memory) open(size int) error {
	size = (size + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	// Populated: a fault for each page would cost more than all the rest of it.
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("make memory for the child: %w", err)
	}
	m.mapped, m.left = b, b
	return nil
}

// close gives a mapping back; the child has its copy.
func (m *memory) close() {
	if m.mapped != nil {
		_ = unix.Munmap(m.mapped)
		m.mapped, m.left = nil, nil
	}
}

// grain is the alignment of everything in a mapping.
const grain = 16

func grained(n int) int { return (n + grain - 1) &^ (grain - 1) }

func measure(b *plan.Mem) int {
	if b == nil {
		return 0
	}
	b.Child = nil
	n := grained(len(b.Data))
	for _, q := range b.Ptrs {
		n += measure(q.To)
	}
	return n
}

// forgetful has a child with memory of its own let go of what it does not need, or at
// least of the environment.
func (l *launch) forgetful() {
	begin := address(l.memory.mapped)
	if l.memory.mapped != nil {
		list := others(span{begin, begin + uintptr(len(l.memory.mapped))})
		l.forget = append(room[span](&l.memory, maxSpans)[:0], list...)
	}
	if l.plan.Private && len(l.forget) == 0 {
		l.wipe = environment()
	}
}

// advise tells the kernel what not to copy: it is what the child would let go of.
func (l *launch) advise(advice uintptr) {
	for _, s := range l.forget {
		syscall.RawSyscall6(unix.SYS_MADVISE, s.begin, s.end-s.begin, advice, 0, 0, 0)
	}
}
