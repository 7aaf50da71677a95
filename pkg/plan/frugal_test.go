package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// calls are the steps in short: closes with what they close, and other calls by their names.
func calls(p *Plan) string {
	var words []string
	for _, s := range p.Steps {
		switch {
		case s.Name == "close" && s.Args[0].Reg == 0:
			words = append(words, fmt.Sprintf("close-%d", s.Args[0].Val))
		case s.Name == "close":
			words = append(words, "close-"+p.regs[s.Args[0].Reg-1])
		case s.Op == Call:
			words = append(words, s.Name)
		}
	}
	return strings.Join(words, " ")
}

func open(p *Plan, name string) Reg {
	return p.Do("openat", unix.SYS_OPENAT, Cwd(), S(name), C(0), C(0)).To(name)
}

func use(p *Plan, fd Reg) *Step { return p.Do("fchdir", unix.SYS_FCHDIR, R(fd)) }

func TestFrugal(t *testing.T) {
	for name, tt := range map[string]struct {
		build func(p *Plan)
		want  string
	}{
		"behind the last use": {func(p *Plan) {
			a, b := open(p, "a"), open(p, "b")
			use(p, a)
			use(p, b)
			use(p, a)
			use(p, p.Reg("other"))
		}, "openat openat fchdir fchdir close-b fchdir close-a fchdir"},
		"closed already, or never used": {func(p *Plan) {
			a := open(p, "a")
			open(p, "held")
			p.Close(a)
		}, "openat openat close-a"},
		"on two ways": {func(p *Plan) {
			r, other, both := p.Reg("r"), p.Label("other"), p.Label("both")
			p.Do("openat", unix.SYS_OPENAT, Cwd(), S("a"), C(0), C(0)).On(unix.ENOENT, other).Into(r)
			p.Goto(both)
			p.Here(other)
			p.Do("openat", unix.SYS_OPENAT, Cwd(), S("b"), C(0), C(0)).Into(r)
			p.Here(both)
			use(p, r)
		}, "openat openat fchdir close-r"},
		"its number elsewhere": {func(p *Plan) {
			word := Words(0)
			a, b, c := open(p, "a"), open(p, "b"), open(p, "c")
			p.Put(word, 0, a)
			use(p, a)
			p.Set(p.Reg("copy"), R(b))
			use(p, b)
			p.Report(c)
			use(p, c)
		}, "openat openat openat fchdir fchdir fchdir"},
		"entered from where it was not opened": {func(p *Plan) {
			in := p.Label("in")
			use(p, p.Reg("x")).On(unix.EPERM, in)
			a := open(p, "a")
			p.Here(in)
			use(p, a)
		}, "fchdir openat fchdir"},
		"an error of the open is passed over": {func(p *Plan) {
			a := p.Do("openat", unix.SYS_OPENAT, Cwd(), S("a"), C(0), C(0)).Ignore(unix.ENOENT).To("a")
			use(p, a)
		}, "openat fchdir"},
	} {
		p := New()
		tt.build(p)
		p.Frugal(nil)
		if got := calls(p); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestFrugalInherited: what a step may mean stays, by whatever it is named.
func TestFrugalInherited(t *testing.T) {
	p := New()
	done := p.Label("done")
	p.Do("fchdir", unix.SYS_FCHDIR, C(20)).On(unix.EPERM, done)
	p.Prctl(unix.PR_SET_DUMPABLE, C(21))
	p.Set(p.Reg("r"), C(22))
	p.MoveMount(p.Reg("tree"), p.Reg("at"))
	p.Steps[len(p.Steps)-1].Args[2] = C(23)
	p.CloneTree(Cwd(), "/proc/self/fd/24/x", false)
	p.SetIDMap(p.Reg("mount"), 25, false)
	p.Here(done)
	p.Do("fchdir", unix.SYS_FCHDIR, C(26))
	var inherited []int
	for fd := 20; fd < 29; fd++ {
		inherited = append(inherited, fd)
	}
	before := len(p.Steps)
	p.Frugal(inherited)
	if got := calls(p); !strings.HasPrefix(got, "close-21 close-27 close-28 fchdir prctl ") {
		t.Error(got)
	}
	first := slices.IndexFunc(p.Steps, func(s *Step) bool { return s.Name == "fchdir" })
	if at := p.Target(done, 0); len(p.Steps) != before+first || p.Steps[at].Args[0].Val != 26 {
		t.Errorf("%d steps, the label stands before %d", len(p.Steps), at)
	}
}
