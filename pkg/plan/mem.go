package plan

import (
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mem is memory prepared before the fork. Its address is known to the child
// because a fork copies the address space.
type Mem struct {
	Data []byte
	Ptrs []Ptr // words in Data that are addresses of other Mems
	// Child is where the child finds it, as the executor has put it there last.
	Child []byte
	show  func() string // how it prints; called only then
}

// Ptr is one address inside a Mem: the word at Off points at To.
type Ptr struct {
	Off int
	To  *Mem
}

// Bytes is a block of memory.
func Bytes(b []byte) *Mem { return &Mem{Data: b} }

// Show says how a block prints.
func (m *Mem) Show(f func() string) *Mem { m.show = f; return m }

// CString is s with its closing NUL. The caller has refused a NUL inside.
func CString(s string) *Mem {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return &Mem{Data: b, show: func() string { return strconv.Quote(s) }}
}

// CStrings is a NULL-ended array of pointers to strings, as execve(2) wants
// for argv and envp.
func CStrings(list []string) *Mem {
	m := &Mem{Data: make([]byte, 8*(len(list)+1))}
	for i, s := range list {
		m.Point(8*i, CString(s))
	}
	return m.Show(func() string {
		quoted := make([]string, len(list))
		for i, s := range list {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, " ") + "]"
	})
}

// Words is an array of native 32-bit words.
func Words(w ...uint32) *Mem {
	m := &Mem{Data: make([]byte, 4*len(w))}
	for i, v := range w {
		binary.NativeEndian.PutUint32(m.Data[4*i:], v)
	}
	return m
}

// Longs is an array of native 64-bit words.
func Longs(w ...uint64) *Mem {
	m := &Mem{Data: make([]byte, 8*len(w))}
	for i, v := range w {
		binary.NativeEndian.PutUint64(m.Data[8*i:], v)
	}
	return m
}

// RightsAt is where in the control memory of [Rights] the first descriptor stands: behind struct cmsghdr, its length, level and
// type (cmsg(3)).
const RightsAt = 16

// Rights is a message of a text and n descriptors (SCM_RIGHTS, unix(7)) for sendmsg(2) and recvmsg(2): struct msghdr, with one
// word more, which makes it struct mmsghdr of sendmmsg(2), and the control memory that the descriptors are put into or got from.
func Rights(text *Mem, n int) (msg, control *Mem) {
	size := RightsAt + 4*n
	words := make([]uint64, (size+7)/8)
	words[0] = uint64(size)
	control = Longs(words...)
	binary.NativeEndian.PutUint32(control.Data[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(control.Data[12:], unix.SCM_RIGHTS)
	iov := Longs(0, uint64(len(text.Data))).Point(0, text)
	return Longs(0, 0, 0, 1, 0, uint64(len(control.Data)), 0, 0).Point(16, iov).Point(32, control), control
}

// Point makes the 64-bit word at off the address of to.
func (m *Mem) Point(off int, to *Mem) *Mem {
	m.Ptrs = append(m.Ptrs, Ptr{Off: off, To: to})
	return m
}

// String is how the memory prints.
func (m *Mem) String() string {
	if m.show != nil {
		return m.show()
	}
	return "<" + strconv.Itoa(len(m.Data)) + " bytes>"
}

// Arg is one argument of a system call: a constant, prepared memory, or what
// an earlier step left in a register.
type Arg struct {
	Val uintptr
	Mem *Mem
	Reg Reg
	Off int  // added to the address of Mem
	Own bool // the fd of the socket to the parent, known when the plan is prepared
	fmt func(uintptr) string
}

// C is a constant.
func C(v int) Arg { return Arg{Val: uintptr(v)} }

// F is a constant that prints by its flags' names.
func F(v uintptr, names Names) Arg { return Arg{Val: v, fmt: names.format} }

// M is the address of prepared memory.
func M(m *Mem) Arg { return Arg{Mem: m} }

// At is an address inside the memory.
func (a Arg) At(off int) Arg { a.Off = off; return a }

// Parent is the fd of the socket to the parent.
func Parent() Arg { return Arg{Own: true} }

// S is the address of a string.
func S(s string) Arg { return Arg{Mem: CString(s)} }

// R is the value of a register.
func R(r Reg) Arg { return Arg{Reg: r} }
