package seccomp

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Filter is a compiled profile. It can be written down and loaded by another
// process later.
type Filter struct {
	Program []byte `json:"-"`                // array of struct sock_filter
	Base64  string `json:"program"`          // the same for a file; see Pack
	Flags   uint32 `json:"flags,omitempty"`  // of seccomp(2)
	Notify  string `json:"notify,omitempty"` // the call that hands the listener over, "" without one
	Path    string `json:"path,omitempty"`   // the listener's socket
	Meta    string `json:"meta,omitempty"`   // goes with it

	// NoCapset: capabilities cannot be changed under it any more.
	NoCapset bool `json:"noCapset,omitempty"`
}

// Pack makes the filter ready to be written down.
func (f *Filter) Pack() { f.Base64 = base64.StdEncoding.EncodeToString(f.Program) }

// Unpack makes a filter that was read ready to be loaded.
func (f *Filter) Unpack() (err error) {
	f.Program, err = base64.StdEncoding.DecodeString(f.Base64)
	return err
}

// foreign is the answer to calls of an architecture that the profile does not
// have: libseccomp's, but for all threads.
const foreign = unix.SECCOMP_RET_KILL_PROCESS

// Compile makes a filter of linux.seccomp. Errors name the field.
func Compile(s *specs.LinuxSeccomp) (*Filter, error) {
	list, err := archesOf(s.Architectures)
	if err != nil {
		return nil, err
	}
	r, err := read(s)
	if err != nil {
		return nil, err
	}
	f := &Filter{}
	if f.Flags, err = flagsOf(s, r.notify); err != nil {
		return nil, err
	}
	a := &assembler{back: make([]instruction, 0, 512)}
	next := a.ret(foreign)
	for i := len(list) - 1; i >= 0; i-- {
		m := list[i]
		if m.bit != 0 && hasPlain(list, m) {
			continue // the block of x86_64 holds x32's too: the kernel gives them one name
		}
		begin := a.load(offNumber, r.block(a, list, m))
		next = a.jump(unix.BPF_JEQ, m.audit, begin, next)
	}
	a.load(offArch, next)
	if f.Program, err = a.program(); err != nil {
		return nil, err
	}
	f.NoCapset = r.denies("capset")
	return f, f.listen(s, r)
}

// hasPlain says whether another architecture of the list shares m's name in
// the kernel.
func hasPlain(list []*arch, m *arch) bool {
	return slices.ContainsFunc(list, func(o *arch) bool { return o != m && o.audit == m.audit && o.bit == 0 })
}

// block is the search over the numbers of one architecture, or of two that
// share a name.
func (r *reader) block(a *assembler, list []*arch, m *arch) label {
	var lists [][]int
	spans := r.spans(m, &lists)
	switch {
	case m.bit != 0: // x32 alone
		spans = append([]span{{0, leaf{ret: foreign}}}, spans...)
	case m.column == colAmd64:
		if x32 := &arches[2]; slices.Contains(list, x32) {
			// Rules of x32 have the same widths, so their leaves are alike.
			spans = append(spans, r.spans(x32, &lists)...)
		} else {
			// No x32. But -1 is what a tracer leaves in place of a call that it
			// has refused, and no call of x32's.
			last := r.ground(m)
			spans = append(spans, span{x32Bit, leaf{ret: foreign}}, span{^uint32(0), last[len(last)-1].leaf})
		}
	}
	return r.search(a, m, spans, lists)
}

// search is the balanced tree: each step halves what is left. It does not test
// for equality on the way, so a call costs the logarithm of the number of
// ranges, and of those there are few: neighbours with the same answer are one.
func (r *reader) search(a *assembler, m *arch, spans []span, lists [][]int) label {
	if len(spans) == 1 {
		return r.answer(a, m, spans[0].leaf, lists)
	}
	mid := len(spans) / 2
	high := r.search(a, m, spans[mid:], lists)
	low := r.search(a, m, spans[:mid], lists)
	return a.jump(unix.BPF_JGE, spans[mid].first, high, low)
}

func (r *reader) answer(a *assembler, m *arch, l leaf, lists [][]int) label {
	next := a.ret(l.ret)
	if l.cond == 0 {
		return next
	}
	list := lists[l.cond-1]
	for i := len(list) - 1; i >= 0; i-- {
		rule := &r.rules[list[i]]
		at := a.ret(rule.ret)
		for j := len(rule.args) - 1; j >= 0; j-- {
			at = rule.args[j].emit(a, m, at, next)
		}
		next = at
	}
	return next
}

// spans are the ranges of one architecture: the ground with the named calls on
// top.
func (r *reader) spans(m *arch, lists *[][]int) []span {
	ground := r.ground(m)
	p := &painter{out: make([]span, 0, 256)}
	var of []int
	packed := r.packed(m)
	for i := 0; i < len(packed); {
		nr := uint32(packed[i] >> 32)
		for of = of[:0]; i < len(packed) && packed[i]>>32 == uint64(nr); i++ {
			of = append(of, int(uint32(packed[i])))
		}
		for len(ground) > 0 && ground[0].first <= nr {
			p.put(ground[0])
			p.below, ground = ground[0].leaf, ground[1:]
		}
		p.put(span{nr, r.settle(of, lists)})
		p.put(span{nr + 1, p.below})
	}
	for _, g := range ground {
		p.put(g)
	}
	return p.out
}

// packed are the uses that m has, number and rule in one word, in order.
func (r *reader) packed(m *arch) []uint64 {
	packed := make([]uint64, 0, len(r.uses)+16)
	for _, list := range [][]use{r.uses, r.mux(m)} {
		for _, u := range list {
			if nr, ok := m.number(u.row); ok {
				packed = append(packed, uint64(nr)<<32|uint64(u.rule))
			}
		}
	}
	slices.Sort(packed)
	return packed
}

// painter keeps ranges apart only where their leaves differ.
type painter struct {
	out   []span
	below leaf // the ground here
}

func (p *painter) put(s span) {
	if n := len(p.out); n > 0 && p.out[n-1].first == s.first {
		p.out = p.out[:n-1]
	}
	if n := len(p.out); n == 0 || p.out[n-1].leaf != s.leaf {
		p.out = append(p.out, s)
	}
}

// listen settles who hears of calls. The child hands the listener over after
// it has loaded the filter, so one of the two calls that can pass an fd must
// get through without being asked about.
func (f *Filter) listen(s *specs.LinuxSeccomp, r *reader) error {
	if !r.notify {
		return nil
	}
	if s.ListenerPath == "" {
		return fmt.Errorf(field + "listenerPath: missing: SCMP_ACT_NOTIFY needs somebody who listens")
	}
	if s.ListenerPath[0] != '/' {
		return fmt.Errorf(field+"listenerPath: must be absolute, is %q", s.ListenerPath)
	}
	if len(s.ListenerPath) > 107 { // struct sockaddr_un, unix(7)
		return fmt.Errorf(field+"listenerPath: must be 107 bytes at most, has %d", len(s.ListenerPath))
	}
	f.Path, f.Meta = s.ListenerPath, s.ListenerMetadata
	for _, name := range []string{"sendmsg", "sendmmsg"} {
		if ret, sure := r.of(name); sure && stricter(ret, unix.SECCOMP_RET_TRACE) > 0 {
			f.Notify = name
			return nil
		}
	}
	return fmt.Errorf(field + "syscalls: with SCMP_ACT_NOTIFY sendmsg or sendmmsg must be allowed: the listener is handed over with it")
}

// of is our own architecture's answer to a call whatever its arguments; sure is
// false where it depends on them.
func (r *reader) of(name string) (ret uint32, sure bool) {
	at, conditional := row(name), false
	for _, u := range r.uses {
		switch {
		case u.row != at:
		case len(r.rules[u.rule].args) > 0:
			conditional = true
		default:
			return r.rules[u.rule].ret, true
		}
	}
	return r.fallback, !conditional
}

// denies says whether a call never gets through.
func (r *reader) denies(name string) bool {
	ret, sure := r.of(name)
	return sure && !passes(ret)
}
