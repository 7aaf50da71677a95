package plan

import (
	"bytes"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Frugal has the child hold few descriptors at a time, for a low RLIMIT_NOFILE. It closes those first that it has inherited
// and no step names, and each that a step opens behind the last step that needs it. inherited are numbers of its parent's.
func (p *Plan) Frugal(inherited []int) {
	behind := make(map[int][]Reg)
	for r := Reg(1); int(r) <= p.Regs(); r++ {
		if last, ok := p.lastUse(r); ok {
			behind[last] = append(behind[last], r)
		}
	}
	old, places := p.Steps, slices.Clone(p.labels)
	at := make([]int, len(old)+1) // where each old step is now
	p.Steps = nil
	p.Act("let go of descriptors, of which few can be open here")
	named := named(old)
	for _, fd := range inherited {
		if !named(fd) && !slices.Contains(p.reserved, fd) {
			p.Do("close", unix.SYS_CLOSE, C(fd)).Ignore(unix.EBADF)
		}
	}
	for i, s := range old {
		at[i] = len(p.Steps)
		p.Steps = append(p.Steps, s)
		p.act, p.what = s.Act, s.What
		for _, r := range behind[i] {
			none := p.Label("no descriptor")
			p.Set(r, R(r)).IfZero(none) // a way here may leave it out
			p.Close(r)
			p.Here(none)
		}
	}
	at[len(old)] = len(p.Steps)
	for l, place := range places {
		if place >= 0 {
			p.labels[l] = at[place]
		}
	}
}

// Reserve says that a step means a descriptor of the parent's, where Frugal does not see it: in memory, or as a number that
// dup3(2) takes and nothing else may have until then.
func (p *Plan) Reserve(fd int) { p.reserved = append(p.reserved, fd) }

// opens are the calls whose result is a descriptor that stands for nothing but what later steps do with it.
var opens = []uintptr{unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_SOCKET}

// lastUse is the last step that names a register with a descriptor, if that can be closed behind it: nothing else has the
// number then, and whoever comes there comes from where it was opened.
func (p *Plan) lastUse(r Reg) (last int, ok bool) {
	first := -1
	for i, s := range p.Steps {
		if s.Out == r {
			if s.Op != Call || !slices.Contains(opens, s.Nr) || slices.ContainsFunc(s.Handlers, func(h Handler) bool { return h.To == Next }) {
				return 0, false
			}
			if first < 0 {
				first = i
			}
			last = i
		}
		if !slices.ContainsFunc(s.Args, func(a Arg) bool { return a.Reg == r }) {
			continue
		}
		if s.Op != Call || first < 0 {
			return 0, false // its number is somewhere else too
		}
		last = i
	}
	if first < 0 || last == first || p.Steps[last].Nr == unix.SYS_CLOSE || p.Steps[last].Out == r {
		return 0, false
	}
	return last, !p.entered(first, last)
}

// entered says whether a step from outside leads between two steps.
func (p *Plan) entered(first, last int) bool {
	for i, s := range p.Steps {
		if first <= i && i <= last {
			continue
		}
		targets := []Label{s.Zero, s.Nonzero}
		for _, h := range s.Handlers {
			targets = append(targets, h.To)
		}
		for _, l := range targets {
			if l != 0 && l != Next && first < p.labels[l-1] && p.labels[l-1] <= last {
				return true
			}
		}
	}
	return false
}

// named returns what says whether a step may mean a descriptor of the parent's: by a constant where a descriptor can stand,
// or by its path in /proc.
func named(steps []*Step) func(fd int) bool {
	numbers := make(map[int]bool)
	var texts [][]byte
	seen := make(map[*Mem]bool)
	var look func(m *Mem)
	look = func(m *Mem) {
		if m == nil || seen[m] {
			return
		}
		seen[m] = true
		if bytes.Contains(m.Data, []byte("self/fd/")) {
			texts = append(texts, m.Data)
		}
		for _, to := range m.Ptrs {
			look(to.To)
		}
	}
	for _, s := range steps {
		look(s.Mem)
		for i, a := range s.Args {
			look(a.Mem)
			if a.Mem == nil && a.Reg == 0 && canBe(s, i) {
				numbers[int(a.Val)] = true
			}
		}
	}
	return func(fd int) bool {
		return numbers[fd] || slices.ContainsFunc(texts, func(t []byte) bool {
			return bytes.Contains(t, []byte("self/fd/"+strconv.Itoa(fd)+"\x00")) || bytes.Contains(t, []byte("self/fd/"+strconv.Itoa(fd)+"/"))
		})
	}
}

// noFile are calls whose first argument is a number of another kind.
var noFile = []uintptr{
	unix.SYS_PRCTL, unix.SYS_KEYCTL, unix.SYS_SECCOMP, unix.SYS_RT_SIGACTION, unix.SYS_PRLIMIT64, unix.SYS_UMASK,
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_UNSHARE, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETGROUPS,
}

// canBe says whether an argument can be a descriptor.
func canBe(s *Step, i int) bool {
	const fsconfigValue = 4
	switch {
	case s.Op == Let:
		return true
	case s.Op != Call || slices.Contains(noFile, s.Nr):
		return false
	}
	return i == 0 || s.Nr == unix.SYS_MOVE_MOUNT && i == 2 || s.Nr == unix.SYS_FSCONFIG && i == fsconfigValue
}
