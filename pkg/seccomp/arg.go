package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// condition is one entry of args, as one of three tests, perhaps negated:
// (argument & mask) == value, argument >= value, argument > value.
type condition struct {
	index       uint32
	test        uint16 // BPF_JEQ, BPF_JGE, BPF_JGT
	not         bool
	mask, value uint64
}

func conditionOf(a specs.LinuxSeccompArg, at string) (condition, error) {
	c := condition{index: uint32(a.Index), test: unix.BPF_JEQ, mask: ^uint64(0), value: a.Value}
	if a.Index > 5 {
		return c, fmt.Errorf("%s.index: a system call has arguments 0 to 5, not %d", at, a.Index)
	}
	switch a.Op {
	case specs.OpEqualTo:
	case specs.OpNotEqual:
		c.not = true
	case specs.OpGreaterEqual:
		c.test = unix.BPF_JGE
	case specs.OpLessThan:
		c.test, c.not = unix.BPF_JGE, true
	case specs.OpGreaterThan:
		c.test = unix.BPF_JGT
	case specs.OpLessEqual:
		c.test, c.not = unix.BPF_JGT, true
	case specs.OpMaskedEqual:
		c.mask, c.value = a.Value, a.ValueTwo
	case "":
		return c, fmt.Errorf("%s.op: missing", at)
	default:
		return c, fmt.Errorf("%s.op: unknown operator %q", at, a.Op)
	}
	return c, nil
}

// emit writes the test of one argument. The machine has 32 bits, so the halves
// are compared one after the other. Where registers have 32 bits the high half
// is always 0 and a value such as -1, written with 64 bits, means its low half,
// as with libseccomp.
func (c condition) emit(a *assembler, m *arch, yes, no label) label {
	if c.not {
		yes, no = no, yes
	}
	low, high := offArgs+8*c.index, offArgs+8*c.index+4
	if m.big {
		low, high = high, low
	}
	at := c.half(a, low, uint32(c.mask), uint32(c.value), c.test, yes, no)
	if m.narrow {
		return at
	}
	if c.test != unix.BPF_JEQ {
		// Equal high halves leave it to the low ones.
		at = a.jump(unix.BPF_JEQ, uint32(c.value>>32), at, no)
		return a.load(high, a.jump(unix.BPF_JGT, uint32(c.value>>32), yes, at))
	}
	return c.half(a, high, uint32(c.mask>>32), uint32(c.value>>32), unix.BPF_JEQ, at, no)
}

func (c condition) half(a *assembler, offset, mask, value uint32, test uint16, yes, no label) label {
	switch {
	case value&^mask != 0:
		return no // bits that the mask has removed are never 1
	case mask == 0:
		return yes
	}
	at := a.jump(test, value, yes, no)
	if mask != ^uint32(0) {
		at = a.and(mask, at)
	}
	return a.load(offset, at)
}
