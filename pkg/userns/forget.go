package userns

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// span is a piece of memory.
type span struct{ begin, end uintptr }

// maxSpans is how many pieces others has at most: those between three that stay, and
// the strings.
const maxSpans = 5

// Entries of the auxiliary vector (getauxval(3)), and the last address of a process on
// amd64 that does not ask for more (mmap(2)).
const (
	atHeaders  = 3
	atSize     = 4
	atCount    = 5
	atRandom   = 25
	atFileName = 31
	atVDSO     = 33
	highest    = 1<<47 - 4096
)

// others is all memory but a child's program and our text and data. The kernel's vDSO
// stays with it, which is sealed on some hosts (CONFIG_MSEAL_SYSTEM_MAPPINGS, Linux
// 6.16): to unmap a range with it in unmaps nothing. The strings that the kernel put on
// our first stack, arguments and environment, may lie so near to it that they are named
// once more: they stand between the random bytes and the program's name. nil where the
// kernel has not told where we are, and with libc, whose rseq(2) area it would miss.
func others(program span) []span {
	list, _ := unix.Auxv()
	told := func(entry uintptr) uintptr {
		for _, e := range list {
			if e[0] == entry {
				return e[1]
			}
		}
		return 0
	}
	headers, name, random := told(atHeaders), told(atFileName), told(atRandom)
	if libc || headers == 0 || name == 0 || random == 0 {
		return nil
	}
	const around = 64 << 10
	vdso := told(atVDSO)
	stay := []span{image(headers, told(atSize), told(atCount)), program, {vdso - min(vdso, around), vdso + around}}
	strs := span{random, name + lengthOf(name)}
	return append(between(stay, highest), strs.pages())
}

// between is what lies around some pieces, whole pages, from address 0 on.
func between(stay []span, end uintptr) (list []span) {
	slices.SortFunc(stay, func(a, b span) int {
		if a.begin < b.begin {
			return -1
		}
		return 1
	})
	last := uintptr(0)
	for _, s := range append(stay, span{end, end}) {
		s = s.pages()
		if s.begin > last {
			list = append(list, span{last, s.begin})
		}
		last = max(last, s.end)
	}
	return list
}

// pages is the least number of whole pages that hold s.
func (s span) pages() span {
	return span{s.begin &^ (page() - 1), (s.end + page() - 1) &^ (page() - 1)}
}

func page() uintptr { return uintptr(os.Getpagesize()) }

// environment is where ours lies, fields 50 and 51 of proc_pid_stat(5); nothing
// where the kernel does not say. The strings of os.Environ are that same memory, so
// there is no second copy of the whole.
func environment() span {
	s, err := proc.Look(os.Getpid())
	if err != nil {
		return span{}
	}
	return span{uintptr(s.EnvBegin), uintptr(s.EnvEnd)}
}

// lengthOf is that of a string at an address of the kernel's, with its NUL.
func lengthOf(text uintptr) (n uintptr) {
	for *(*byte)(at(text + n)) != 0 {
		n++
	}
	return n + 1
}
