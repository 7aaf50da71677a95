package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/printable"
)

// Line is one printed step.
type Line struct {
	Step int               `json:"step"`
	Act  string            `json:"act,omitempty"`
	Do   string            `json:"do"`
	On   map[string]string `json:"on,omitempty"` // errno or result -> "next" or "step N"

	order []string // the keys of On in the order of the plan
}

// Lines is the plan as text, a line a step, numbered as errors number them.
func (p *Plan) Lines() []Line {
	lines := make([]Line, 0, len(p.Steps))
	for i, s := range p.Steps {
		l := Line{Step: i, Act: s.Act, Do: printable.Text(p.words(s, i))}
		for _, h := range s.Handlers {
			l.branch(errnoName(h.Errno), p.place(h.To, i))
		}
		if s.Zero != 0 && s.Op != Jump {
			l.branch("0", p.place(s.Zero, i))
		}
		if s.Nonzero != 0 {
			l.branch("nonzero", p.place(s.Nonzero, i))
		}
		lines = append(lines, l)
	}
	return lines
}

func (l *Line) branch(on, to string) {
	if l.On == nil {
		l.On = map[string]string{}
	}
	l.On[on] = to
	l.order = append(l.order, on)
}

// Print writes the plan for people: what is done in words, and under it the
// numbered steps that do it.
func (p *Plan) Print(w io.Writer) error {
	act := ""
	for _, l := range p.Lines() {
		if l.Act != act {
			act = l.Act
			if _, err := fmt.Fprintln(w, act); err != nil {
				return err
			}
		}
		var on strings.Builder
		for _, e := range l.order {
			on.WriteString("   " + e + " → " + l.On[e])
		}
		if _, err := fmt.Fprintf(w, "%5d  %s%s\n", l.Step, l.Do, on.String()); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) place(l Label, i int) string {
	if l == Next {
		return "next"
	}
	return "step " + strconv.Itoa(p.Target(l, i))
}

func (p *Plan) words(s *Step, i int) string {
	switch s.Op {
	case Let:
		return p.reg(s.Out) + " = " + p.arg(s.Args[0])
	case Store:
		return fmt.Sprintf("put %s into %s at %d", p.arg(s.Args[0]), s.Mem, s.Off)
	case Load:
		return fmt.Sprintf("%s = word at %d of %s", p.reg(s.Out), s.Off, s.Mem)
	case Check:
		if s.Text != "" {
			return "expect " + s.Text + ", else " + errnoName(s.Errno)
		}
		return fmt.Sprintf("expect %#x at %d of %s, else %s", s.Value, s.Off, s.Mem, errnoName(s.Errno))
	case Jump:
		return "go to " + p.place(s.Zero, i)
	case Gate:
		return "gate " + strconv.Quote(s.Text)
	case Note:
		return "note " + strconv.Quote(s.Text)
	case Report:
		return "report failures to " + p.arg(s.Args[0])
	}
	args := make([]string, len(s.Args))
	for j, a := range s.Args {
		args[j] = p.arg(a)
	}
	call := s.Name + "(" + strings.Join(args, ", ") + ")"
	if s.Out != 0 {
		call = p.reg(s.Out) + " = " + call
	}
	return call
}

// reg is the printed name of a register. A name used before gets a number.
func (p *Plan) reg(r Reg) string {
	for len(p.shown) < int(r) {
		name := p.regs[len(p.shown)]
		if p.used == nil {
			p.used = map[string]int{}
		}
		p.used[name]++
		shown := "$" + strings.ReplaceAll(name, " ", "_")
		if n := p.used[name]; n > 1 {
			shown += strconv.Itoa(n)
		}
		p.shown = append(p.shown, shown)
	}
	return p.shown[r-1]
}

func (p *Plan) arg(a Arg) string {
	switch {
	case a.Reg != 0:
		return p.reg(a.Reg)
	case a.Own:
		return "$parent"
	case a.Mem != nil && a.Off != 0:
		return fmt.Sprintf("%s+%d", a.Mem, a.Off)
	case a.Mem != nil:
		return a.Mem.String()
	case a.fmt != nil:
		return a.fmt(a.Val)
	}
	return number(a.Val)
}

func errnoName(e unix.Errno) string {
	if e == AnyErrno {
		return "any error"
	}
	if n := unix.ErrnoName(e); n != "" {
		return n
	}
	return "errno " + strconv.Itoa(int(e))
}

// MarshalJSON is the list of lines.
func (p *Plan) MarshalJSON() ([]byte, error) { return json.Marshal(p.Lines()) }
