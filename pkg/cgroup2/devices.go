package cgroup2

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Filter is a program of type BPF_PROG_TYPE_CGROUP_DEVICE (bpf(2), Linux 4.15): the
// kernel runs it whenever a process of the group opens or makes a device node. It
// replaces version 1's devices.allow and devices.deny.
//
// It is written by hand and not with a library: it needs eight kinds of
// instructions and two calls, and cilium/ebpf costs every start of this program
// 0.1 ms and 2 MB.
type Filter []byte

// usual are the devices that every container may use, as runc has them: to make any
// node at all, which then cannot be opened, and the standard nodes and terminals.
var usual = []specs.LinuxDeviceCgroup{
	rule("c", -1, -1, "m"), rule("b", -1, -1, "m"),
	rule("c", 1, 3, "rwm"), rule("c", 1, 5, "rwm"), rule("c", 1, 7, "rwm"), rule("c", 1, 8, "rwm"), rule("c", 1, 9, "rwm"), // null zero full random urandom
	rule("c", 5, 0, "rwm"), rule("c", 5, 2, "rwm"), rule("c", 136, -1, "rwm"), // tty ptmx pts/*
}

func rule(kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &major, Minor: &minor, Access: access}
}

// The kernel's numbers (include/uapi/linux/bpf.h, BPF_DEVCG_*).
const (
	devBlock, devChar             = 1, 2
	accMknod, accRead, accWrite   = 1, 2, 4
	r0, r1, rType, rLeft, rMajor  = 0, 1, 2, 3, 4
	rMinor, rBits                 = 5, 6
	opLoad, opAnd, opRsh, opMov   = 0x61, 0x54, 0x74, 0xb4 // *(u32 *), and 32-bit ALU with an immediate
	opMovReg, opJne, opJeq, opEnd = 0xbc, 0x56, 0x16, 0x95
)

// CompileDevices makes the filter of linux.resources.devices: rules in order, of
// which the later ones count, as in version 1; what none speaks of is denied.
// Each right of a request is looked for by itself: one rule may give reading and
// another one writing.
func CompileDevices(rules []specs.LinuxDeviceCgroup) (Filter, error) {
	var f Filter
	f.emit(opLoad, rType, r1, 0, 0)
	f.emit(opMovReg, rLeft, rType, 0, 0)
	f.emit(opAnd, rType, 0, 0, 0xffff)
	f.emit(opRsh, rLeft, 0, 0, 16)
	f.emit(opLoad, rMajor, r1, 4, 0)
	f.emit(opLoad, rMinor, r1, 8, 0)
	for i := len(usual) - 1; i >= 0; i-- {
		if err := f.rule(usual[i]); err != nil {
			return nil, err
		}
	}
	for i := len(rules) - 1; i >= 0; i-- {
		if err := f.rule(rules[i]); err != nil {
			return nil, fmt.Errorf("linux.resources.devices[%d].%w", i, err)
		}
		if all(rules[i]) {
			break // what was said before does not count
		}
	}
	f.end(0)
	return f, nil
}

// all says whether a rule is about every device and right. Type "a" is, whatever
// its numbers say (kernel, cgroup-v1/devices.rst).
func all(d specs.LinuxDeviceCgroup) bool {
	access, err := accessBits(d.Access)
	return err == nil && access == accMknod|accRead|accWrite && (d.Type == "" || d.Type == "a") && number(d.Major) < 0 && number(d.Minor) < 0
}

// AllowsAll says whether rules deny nothing: the last one of those about every device gives every right, and none after
// it takes one away.
func AllowsAll(rules []specs.LinuxDeviceCgroup) bool {
	for _, d := range slices.Backward(rules) {
		if all(d) || !d.Allow {
			return d.Allow
		}
	}
	return false
}

// rule appends the test of one: on a match, denied rights end it, given ones are
// no longer asked for.
func (f *Filter) rule(d specs.LinuxDeviceCgroup) error {
	access, err := accessBits(d.Access)
	if err != nil {
		return err
	}
	kind, known := map[string]int32{"c": devChar, "u": devChar, "b": devBlock, "a": 0, "": 0}[d.Type]
	if !known {
		return fmt.Errorf("type: %q: want a, b or c", d.Type)
	}
	var miss []int // jumps to behind the rule
	test := func(reg int, value int64) {
		miss = append(miss, len(*f))
		f.emit(opJne, reg, 0, 0, int32(uint32(value)))
	}
	if kind != 0 {
		test(rType, int64(kind))
	}
	for _, n := range []struct {
		reg   int
		value int64
		name  string
	}{{rMajor, number(d.Major), "major"}, {rMinor, number(d.Minor), "minor"}} {
		if n.value > 1<<32-1 {
			return fmt.Errorf("%s: %d is no device number", n.name, n.value)
		}
		if n.value >= 0 {
			test(n.reg, n.value)
		}
	}
	if d.Allow {
		f.emit(opAnd, rLeft, 0, 0, ^access)
		f.emit(opJne, rLeft, 0, 2, 0)
		f.end(1)
	} else {
		f.emit(opMovReg, rBits, rLeft, 0, 0)
		f.emit(opAnd, rBits, 0, 0, access)
		f.emit(opJeq, rBits, 0, 2, 0)
		f.end(0)
	}
	for _, at := range miss {
		binary.NativeEndian.PutUint16((*f)[at+2:], uint16(len(*f)/8-at/8-1))
	}
	return nil
}

func (f *Filter) end(allow int32) {
	f.emit(opMov, r0, 0, 0, allow)
	f.emit(opEnd, 0, 0, 0, 0)
}

// emit appends one instruction: struct bpf_insn.
func (f *Filter) emit(code byte, dst, src int, off int16, imm int32) {
	registers := byte(dst | src<<4)
	if bigEndian {
		registers = byte(dst<<4 | src)
	}
	*f = append(*f, code, registers)
	*f = binary.NativeEndian.AppendUint16(*f, uint16(off))
	*f = binary.NativeEndian.AppendUint32(*f, uint32(imm))
}

// bigEndian machines have the two halves of a byte of bit fields swapped too.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// number is a device number, -1 for all.
func number(n *int64) int64 {
	if n == nil || *n < 0 {
		return -1
	}
	return *n
}

func accessBits(text string) (int32, error) {
	var bits int32
	for _, c := range text {
		switch c {
		case 'r':
			bits |= accRead
		case 'w':
			bits |= accWrite
		case 'm':
			bits |= accMknod
		case 'a': // of the types; runc takes it for nothing
		default:
			return 0, fmt.Errorf("access: %q: want some of r, w and m", text)
		}
	}
	if text == "" {
		bits = accRead | accWrite | accMknod
	}
	return bits, nil
}

// Attach loads the filter and makes it the group's, beside those that it has
// (systemd's, say). Only root of the host may; errors keep their errno.
func (f Filter) Attach(g Group) error {
	dir, err := unix.Open(g.Dir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", g.Path, err)
	}
	defer unix.Close(dir)
	program, err := loadDeviceFilter(f)
	if err != nil {
		return fmt.Errorf("load the filter of devices: %w", err)
	}
	defer unix.Close(program) // the group holds it
	if err := attachDeviceFilter(dir, program); err != nil {
		return fmt.Errorf("attach the filter of devices to cgroup %s: %w", g.Path, err)
	}
	return nil
}

// String is the program in words, one instruction a line, for tests and people.
func (f Filter) String() string {
	var b strings.Builder
	for i := 0; i+8 <= len(f); i += 8 {
		regs := f[i+1]
		dst, src := regs&15, regs>>4
		if bigEndian {
			dst, src = src, dst
		}
		off, imm := int16(binary.NativeEndian.Uint16(f[i+2:])), int32(binary.NativeEndian.Uint32(f[i+4:]))
		fmt.Fprintf(&b, "%2d: ", i/8)
		switch f[i] {
		case opLoad:
			fmt.Fprintf(&b, "r%d = *(u32 *)(r%d + %d)\n", dst, src, off)
		case opMovReg:
			fmt.Fprintf(&b, "r%d = r%d\n", dst, src)
		case opMov:
			fmt.Fprintf(&b, "r%d = %d\n", dst, imm)
		case opAnd:
			fmt.Fprintf(&b, "r%d &= %#x\n", dst, uint32(imm))
		case opRsh:
			fmt.Fprintf(&b, "r%d >>= %d\n", dst, imm)
		case opJne:
			fmt.Fprintf(&b, "if r%d != %d goto %d\n", dst, imm, i/8+1+int(off))
		case opJeq:
			fmt.Fprintf(&b, "if r%d == %d goto %d\n", dst, imm, i/8+1+int(off))
		case opEnd:
			b.WriteString("exit\n")
		default:
			fmt.Fprintf(&b, "unknown %#x\n", f[i])
		}
	}
	return b.String()
}
