package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// data is struct seccomp_data.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

// word is what the machine loads at an offset, in the byte order of the
// architecture the data is about.
func (d *data) word(off uint32, big bool) (uint32, error) {
	switch {
	case off == offNumber:
		return d.nr, nil
	case off == offArch:
		return d.arch, nil
	case off < offArgs || off >= offArgs+48 || off%4 != 0:
		return 0, fmt.Errorf("load at offset %d", off)
	}
	v, second := d.args[(off-offArgs)/8], off%8 == 4
	if second != big {
		return uint32(v >> 32), nil
	}
	return uint32(v), nil
}

// machine runs a classic BPF program as the kernel does, and refuses what the
// kernel's checker refuses (seccomp_check_filter).
func machine(program []byte, d *data, big bool) (ret uint32, steps int, err error) {
	n := len(program) / 8
	if n == 0 || n > 4096 || len(program)%8 != 0 {
		return 0, 0, fmt.Errorf("%d instructions", n)
	}
	var acc uint32
	for pc := 0; ; steps++ {
		if pc >= n {
			return 0, steps, errors.New("ran over the end")
		}
		ins := program[8*pc:]
		code, k := binary.NativeEndian.Uint16(ins), binary.NativeEndian.Uint32(ins[4:])
		var yes bool
		pc++
		switch code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if acc, err = d.word(k, big); err != nil {
				return 0, steps, err
			}
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= k
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(k)
			continue
		case unix.BPF_RET | unix.BPF_K:
			return k, steps + 1, nil
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			yes = acc == k
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			yes = acc >= k
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			yes = acc&k != 0
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			yes = acc > k
		default:
			return 0, steps, fmt.Errorf("instruction %d: unknown code %#x", pc-1, code)
		}
		if yes {
			pc += int(ins[2])
		} else {
			pc += int(ins[3])
		}
	}
}
