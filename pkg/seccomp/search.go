package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

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
