package seccomp

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// maxInstructions is BPF_MAXINSNS.
const maxInstructions = 4096

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// label is a place in the program: how many instructions there are from it to
// the end.
type label int

// assembler writes a program from its end to its beginning. Jumps of BPF go
// forward only, so the target of each is there already and its distance known.
type assembler struct {
	back    []instruction // the last one first
	returns []label       // those emitted, for use by more than one jump
}

func (a *assembler) emit(i instruction) label {
	a.back = append(a.back, i)
	return label(len(a.back))
}

// far is how many instructions the next one emitted would have to skip.
func (a *assembler) far(to label) int { return len(a.back) - int(to) }

// ret answers the call. One that is in reach of a jump is used again.
func (a *assembler) ret(value uint32) label {
	for i := len(a.returns) - 1; i >= 0; i-- {
		at := a.returns[i]
		if a.far(at) > 200 {
			break
		}
		if a.back[at-1].k == value {
			return at
		}
	}
	at := a.emit(instruction{code: unix.BPF_RET | unix.BPF_K, k: value})
	a.returns = append(a.returns, at)
	return at
}

// jump compares the loaded word and goes on at yes or no. The two distances are
// bytes; what is further goes over a jump of its own, which has 32 bits.
func (a *assembler) jump(test uint16, k uint32, yes, no label) label {
	if a.far(yes) > 254 { // one less: the detour of no may come between
		yes = a.goTo(yes)
	}
	if a.far(no) > 255 {
		no = a.goTo(no)
	}
	return a.emit(instruction{unix.BPF_JMP | unix.BPF_K | test, uint8(a.far(yes)), uint8(a.far(no)), k})
}

func (a *assembler) goTo(to label) label {
	return a.emit(instruction{code: unix.BPF_JMP | unix.BPF_JA, k: uint32(a.far(to))})
}

// load reads a word of seccomp_data and goes on at next.
func (a *assembler) load(offset uint32, next label) label {
	a.fall(next)
	return a.emit(instruction{code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, k: offset})
}

// and masks the loaded word and goes on at next.
func (a *assembler) and(mask uint32, next label) label {
	a.fall(next)
	return a.emit(instruction{code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, k: mask})
}

// fall makes next the instruction that comes after the one emitted now.
func (a *assembler) fall(next label) {
	if a.far(next) > 0 {
		a.goTo(next)
	}
}

// program is what the kernel reads: an array of struct sock_filter.
func (a *assembler) program() ([]byte, error) {
	if n := len(a.back); n > maxInstructions {
		return nil, fmt.Errorf("linux.seccomp: the filter has %d instructions, the kernel takes %d: use fewer rules with args", n, maxInstructions)
	}
	out := make([]byte, 8*len(a.back))
	for i, ins := range a.back {
		b := out[8*(len(a.back)-1-i):]
		binary.NativeEndian.PutUint16(b, ins.code)
		b[2], b[3] = ins.jt, ins.jf
		binary.NativeEndian.PutUint32(b[4:], ins.k)
	}
	return out, nil
}
