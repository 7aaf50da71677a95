package seccomp

import (
	"math/big"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// direct answers a call by reading the profile, rule by rule. It shares with the
// compiler only the table of numbers, and does everything the slow way.
func direct(s *specs.LinuxSeccomp, d *data) uint32 {
	a := archOf(s, d)
	if a == nil {
		if d.nr == ^uint32(0) && d.arch == unix.AUDIT_ARCH_X86_64 && slices.Contains(archNames(s), specs.ArchX86_64) {
			return unnamed(s, &arches[0], d.nr)
		}
		return unix.SECCOMP_RET_KILL_PROCESS
	}
	fallback := word(s.DefaultAction, s.DefaultErrnoRet)
	var found []uint32
	named, first, alone := false, map[string]int{}, map[string]bool{}
	for i, r := range s.Syscalls {
		for _, name := range r.Names {
			if _, has := first[name]; !has && len(r.Args) == 0 && word(r.Action, r.ErrnoRet) != fallback {
				first[name], alone[name] = i, true
			}
		}
	}
	for pass := range 2 { // rules without args first
		for i, r := range s.Syscalls {
			ret := word(r.Action, r.ErrnoRet)
			if ret == fallback {
				continue
			}
			for _, name := range r.Names {
				match, cond, old := matches(a, name, r.Args, d)
				if old && (alone[name] && first[name] != i || len(r.Args) > 0 && (alone[name] || int32(ret&0xffff0000) >= int32(fallback&0xffff0000))) {
					continue // another rule decides behind the old door
				}
				named = named || cond || match
				if match && !cond && pass == 0 {
					return ret
				}
				if pass == 0 {
					continue
				}
				if match && cond {
					found = append(found, ret)
				}
			}
		}
	}
	if len(found) > 0 {
		slices.SortStableFunc(found, func(x, y uint32) int { return int(int64(int32(x&0xffff0000))-int64(int32(y&0xffff0000))) / 65536 })
		return found[0]
	}
	if named {
		return fallback
	}
	return unnamed(s, a, d.nr)
}

// matches says whether a rule is about this call; cond that it depends on the
// arguments; old that it comes through socketcall or ipc.
func matches(a *arch, name string, args []specs.LinuxSeccompArg, d *data) (match, cond, old bool) {
	nr, ok := slow(a, name)
	if ok && nr == d.nr {
		return len(args) == 0 || holds(a, args, d), len(args) > 0, false
	}
	door, _ := slow(a, "socketcall")
	other, has := slow(a, "ipc")
	if !has || d.nr != door && d.nr != other {
		return false, false, false
	}
	for _, m := range muxed { // the old doors
		by, has := slow(a, m.behind)
		if m.name != name || !has || by != d.nr {
			continue
		}
		first := uint32(d.args[0])
		if m.behind == "ipc" {
			first &= 0xffff
		}
		return uint64(first) == m.index, true, true
	}
	return false, false, false
}

func holds(a *arch, args []specs.LinuxSeccompArg, d *data) bool {
	counts := map[uint]int{}
	several := false
	for _, c := range args {
		counts[c.Index]++
		several = several || counts[c.Index] > 1
	}
	all, some := true, false
	for _, c := range args {
		h := one(a, c, d.args[c.Index])
		all, some = all && h, some || h
	}
	if several {
		return some
	}
	return all
}

// one compares with big numbers, which have no halves.
func one(a *arch, c specs.LinuxSeccompArg, arg uint64) bool {
	v, two := c.Value, c.ValueTwo
	if a.narrow {
		arg, v, two = arg&0xffffffff, v&0xffffffff, two&0xffffffff
	}
	cmp := new(big.Int).SetUint64(arg).Cmp(new(big.Int).SetUint64(v))
	switch c.Op {
	case specs.OpEqualTo:
		return cmp == 0
	case specs.OpNotEqual:
		return cmp != 0
	case specs.OpLessThan:
		return cmp < 0
	case specs.OpLessEqual:
		return cmp <= 0
	case specs.OpGreaterThan:
		return cmp > 0
	case specs.OpGreaterEqual:
		return cmp >= 0
	}
	return arg&v == two
}

// unnamed is the default, or ENOSYS for what is newer than the profile.
func unnamed(s *specs.LinuxSeccomp, a *arch, nr uint32) uint32 {
	fallback := word(s.DefaultAction, s.DefaultErrnoRet)
	switch s.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
		return fallback
	}
	n := int64(nr) - int64(a.bit) - int64(a.base)
	if a.name == specs.ArchX32 && n >= 512 && n < 548 || a.name == specs.ArchARM && n >= 0xf0000 {
		return fallback
	}
	if n > newestOf(s, a) {
		return unix.SECCOMP_RET_ERRNO | 38
	}
	return fallback
}

type dated struct {
	s *specs.LinuxSeccomp
	a *arch
}

var newestKnown = map[dated]int64{}

// newestOf is the last number that a profile knows.
func newestOf(s *specs.LinuxSeccomp, a *arch) int64 {
	if n, ok := newestKnown[dated{s, a}]; ok {
		return n
	}
	newest := map[specs.Arch]int64{
		specs.ArchX86_64: 322, specs.ArchX86: 358, specs.ArchX32: 322, specs.ArchAARCH64: 281, specs.ArchARM: 387, specs.ArchRISCV64: 281,
		specs.ArchLOONGARCH64: 281, specs.ArchPPC64LE: 362, specs.ArchPPC64: 362, specs.ArchPPC: 362, specs.ArchS390X: 354,
		specs.ArchMIPSEL64: 316, specs.ArchMIPS64: 316, specs.ArchMIPSEL: 356, specs.ArchMIPS: 356,
	}[a.name]
	for _, r := range s.Syscalls {
		for _, name := range r.Names {
			if own, ok := slow(a, name); ok {
				own -= a.bit + a.base
				if !(a.name == specs.ArchX32 && own >= 512 && own < 548) && own < 0xf0000 {
					newest = max(newest, int64(own))
				}
				continue
			}
			for i := range arches {
				o := &arches[i]
				if other, ok := slow(o, name); ok && o.name != specs.ArchX32 && o.base == 0 && other >= 424 && other < 512 {
					newest = max(newest, int64(other))
				}
			}
		}
	}
	newestKnown[dated{s, a}] = newest
	return newest
}

func archNames(s *specs.LinuxSeccomp) []specs.Arch {
	native, _ := archesOf(nil)
	return append([]specs.Arch{native[0].name}, s.Architectures...)
}

func archOf(s *specs.LinuxSeccomp, d *data) *arch {
	for _, name := range archNames(s) {
		for i := range arches {
			a := &arches[i]
			if a.name != name || a.audit != d.arch {
				continue
			}
			if a.audit == unix.AUDIT_ARCH_X86_64 && (d.nr&0x40000000 != 0 || d.nr >= 0x80000000) != (a.bit != 0) {
				continue
			}
			return a
		}
	}
	return nil
}

// slow looks a name up in one column, in a map that was made from the top.
func slow(a *arch, name string) (uint32, bool) {
	if columnsByName[a] == nil {
		columnsByName[a] = map[string]uint32{}
		for i := range numbers {
			if nr, ok := a.number(i); ok {
				columnsByName[a][names[starts[i]:starts[i+1]]] = nr
			}
		}
	}
	nr, ok := columnsByName[a][name]
	return nr, ok
}

var columnsByName = map[*arch]map[string]uint32{}

func word(a specs.LinuxSeccompAction, errno *uint) uint32 {
	e := uint32(1)
	if errno != nil {
		e = uint32(*errno)
	}
	switch a {
	case specs.ActAllow:
		return 0x7fff0000
	case specs.ActLog:
		return 0x7ffc0000
	case specs.ActTrace:
		return 0x7ff00000 | e
	case specs.ActNotify:
		return 0x7fc00000
	case specs.ActErrno:
		return 0x00050000 | e
	case specs.ActTrap:
		return 0x00030000
	case specs.ActKillProcess:
		return 0x80000000
	}
	return 0
}
