package cgroup2

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// run interprets the program, as the kernel would, for one request.
func (f Filter) run(t *testing.T, kind, access, major, minor uint32) bool {
	t.Helper()
	context := []uint32{access<<16 | kind, major, minor}
	var r [11]uint32
	for pc, steps := 0, 0; steps < 10000; steps++ {
		i := pc * 8
		if i+8 > len(f) {
			t.Fatal("ran off the end")
		}
		dst, src := f[i+1]&15, f[i+1]>>4
		off, imm := int(int16(binary.NativeEndian.Uint16(f[i+2:]))), binary.NativeEndian.Uint32(f[i+4:])
		pc++
		switch f[i] {
		case opLoad:
			r[dst] = context[off/4]
		case opMovReg:
			r[dst] = r[src]
		case opMov:
			r[dst] = imm
		case opAnd:
			r[dst] &= imm
		case opRsh:
			r[dst] >>= imm
		case opJne:
			if r[dst] != imm {
				pc += off
			}
		case opJeq:
			if r[dst] == imm {
				pc += off
			}
		case opEnd:
			return r[0] == 1
		default:
			t.Fatalf("unknown instruction %#x", f[i])
		}
	}
	t.Fatal("does not end")
	return false
}

// allowed is the meaning: each right by itself, decided by the last rule that speaks of it.
func allowed(rules []specs.LinuxDeviceCgroup, kind, access, major, minor uint32) bool {
	for bit := uint32(1); bit <= 4; bit <<= 1 {
		if access&bit == 0 {
			continue
		}
		given := false
		for _, d := range append(append([]specs.LinuxDeviceCgroup{}, rules...), usual...) {
			bits := uint32(0)
			for letter, right := range map[string]uint32{"m": accMknod, "r": accRead, "w": accWrite} {
				if d.Access == "" || strings.Contains(d.Access, letter) {
					bits |= right
				}
			}
			kinds := map[string]uint32{"c": devChar, "u": devChar, "b": devBlock}
			if (kinds[d.Type] == 0 || kinds[d.Type] == kind) && bits&bit != 0 &&
				(number(d.Major) < 0 || number(d.Major) == int64(major)) && (number(d.Minor) < 0 || number(d.Minor) == int64(minor)) {
				given = d.Allow
			}
		}
		if !given {
			return false
		}
	}
	return true
}

// TestDevicesAgree: whatever the rules, the program decides as their meaning does, for every request near them.
func TestDevicesAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{-1, 0, 1, 3, 5, 136, 1<<32 - 1}
	pick := func() *int64 { n := numbers[random.IntN(len(numbers))]; return &n }
	for range 300 {
		var rules []specs.LinuxDeviceCgroup
		for range random.IntN(6) {
			rules = append(rules, specs.LinuxDeviceCgroup{
				Allow: random.IntN(2) == 0, Type: []string{"a", "b", "c", "u", ""}[random.IntN(5)], Major: pick(), Minor: pick(),
				Access: []string{"r", "w", "m", "rw", "rm", "wm", "rwm", ""}[random.IntN(8)],
			})
		}
		f, err := CompileDevices(rules)
		if err != nil {
			t.Fatal(err)
		}
		for kind := uint32(1); kind <= 2; kind++ {
			for access := uint32(1); access < 8; access++ {
				for _, major := range numbers {
					for _, minor := range numbers {
						if got, want := f.run(t, kind, access, uint32(major), uint32(minor)), allowed(rules, kind, access, uint32(major), uint32(minor)); got != want {
							t.Fatalf("%+v: type %d access %d %d:%d: %v, want %v\n%s", rules, kind, access, major, minor, got, want, f)
						}
					}
				}
			}
		}
	}
}

// TestDevicesDefault: with the rule that every configuration begins with, only the usual devices can be used.
func TestDevicesDefault(t *testing.T) {
	f, err := CompileDevices([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, access, major, minor uint32
		want                       bool
	}{
		{devChar, accRead | accWrite, 1, 3, true}, {devChar, accRead, 1, 1, false}, {devChar, accMknod, 1, 1, true},
		{devBlock, accMknod, 8, 0, true}, {devBlock, accRead, 8, 0, false}, {devChar, accRead | accWrite, 136, 77, true},
		{devChar, accRead, 10, 200, false}, {devBlock, accRead, 1, 3, false}, {devChar, accRead | accMknod, 1, 1, false},
	} {
		if got := f.run(t, c.kind, c.access, c.major, c.minor); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if text := f.String(); !strings.HasPrefix(text, " 0: r2 = *(u32 *)(r1 + 0)\n 1: r3 = r2\n 2: r2 &= 0xffff\n 3: r3 >>= 16\n") || strings.Contains(text, "unknown") || !strings.HasSuffix(text, "r0 = 0\n"+fmt.Sprintf("%2d: exit\n", len(f)/8-1)) {
		t.Errorf("reads\n%s", text)
	}
}

func TestDevicesRefuse(t *testing.T) {
	big := int64(1 << 33)
	for want, d := range map[string]specs.LinuxDeviceCgroup{
		`linux.resources.devices[0].type: "x": want a, b or c`:             {Type: "x"},
		`linux.resources.devices[0].access: "rx": want some of r, w and m`: {Access: "rx"},
		`linux.resources.devices[0].major: 8589934592 is no device number`: {Major: &big},
	} {
		if _, err := CompileDevices([]specs.LinuxDeviceCgroup{d}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAllowsAll(t *testing.T) {
	every, none, one := specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}, specs.LinuxDeviceCgroup{Access: "rwm"}, rule("c", 1, 11, "r")
	for _, c := range []struct {
		rules []specs.LinuxDeviceCgroup
		want  bool
	}{
		{nil, false},
		{[]specs.LinuxDeviceCgroup{every}, true},
		{[]specs.LinuxDeviceCgroup{none, every, one}, true},
		{[]specs.LinuxDeviceCgroup{every, none}, false},
		{[]specs.LinuxDeviceCgroup{every, {Type: "c", Major: one.Major, Minor: one.Minor, Access: "w"}}, false},
		{[]specs.LinuxDeviceCgroup{one}, false},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwma"}}, true},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Access: "a"}}, false},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Access: "rw"}}, false},
	} {
		if got := AllowsAll(c.rules); got != c.want {
			t.Errorf("%+v: %v", c.rules, got)
		}
	}
}
