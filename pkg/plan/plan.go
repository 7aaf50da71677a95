package plan

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"sandbox/pkg/printable"
)

// Op says what kind of thing a step does. Nearly every step is a Call.
type Op uint8

const (
	Call   Op = iota // one raw system call
	Let              // put a constant or an address into a register
	Store            // write a register into prepared memory
	Load             // read a word of prepared memory into a register
	Check            // compare prepared memory with a constant; unequal is an errno
	Jump             // go on elsewhere
	Gate             // tell the parent where we are and wait for its answer
	Note             // tell the parent something, and go on
	Report           // from here on failures are told to another fd
)

// Reg names the place where a step leaves its result, usually an fd, for
// later steps. The zero Reg is none.
type Reg int

// Label is a place in the plan that a step may go to. The zero Label is none;
// [Next] is the step after.
type Label int

// Next as the target of an errno means: this error is expected, go on.
const Next Label = -1

// AnyErrno in a handler stands for every errno not named by another handler of
// the same step.
const AnyErrno unix.Errno = 0

// Handler says where the plan goes on when a step ends with an errno.
type Handler struct {
	Errno unix.Errno
	To    Label
}

// Step is one line of the program.
type Step struct {
	Act  string // what it is part of, in words: "mount proc on /proc"
	What any    // what it attempts, for whoever is told that it failed; only carried here
	Op   Op
	Name string  // the system call's name, for people
	Nr   uintptr // the system call's number
	Args []Arg
	Out  Reg // where the result goes

	Handlers []Handler // errno -> elsewhere; an errno without one ends the plan
	Zero     Label     // where to go when the result is 0
	Nonzero  Label     // where to go when it is not

	Mem   *Mem   // Store, Load, Check: the memory; Note: the text
	Off   int    // Store, Load, Check: offset of the 32-bit word
	Mask  uint32 // Check: which bits count
	Value uint32 // Check: what they must be
	Errno unix.Errno
	Text  string // Gate, Note: the name; Check: what is expected, in words, where a number would say nothing

	plan *Plan
}

// Plan is the program. Build it with its methods, top to bottom.
type Plan struct {
	Steps []*Step

	// Private says that the child needs memory of its own: a step acts on all
	// processes that share it (out-of-memory score, time namespace), or others
	// may look into one of the plan's.
	Private bool

	regs   []string       // names, index is Reg-1
	shown  []string       // as they are printed, of the first ones,
	used   map[string]int // and how often each name was
	labels []int          // step index, index is Label-1; -1 while not placed
	names  []string       // of labels

	reserved []int // see Reserve
	act      string
	what     any
}

// New returns an empty plan.
func New() *Plan { return &Plan{} }

// Act sets the words under which the following steps are known, to the reader
// of a printed plan and in the error when one of them fails. They are for
// people: what a program has to know of a step, About says. Names that others have
// chosen are in them, and make no second line.
func (p *Plan) Act(format string, args ...any) {
	p.act, p.what = format, nil
	if len(args) > 0 {
		p.act = printable.Text(fmt.Sprintf(format, args...))
	}
}

// About says what the following steps attempt, until the next Act.
func (p *Plan) About(what any) { p.what = what }

// About says what this step attempts, where that differs from the others of its
// act.
func (s *Step) About(what any) *Step {
	s.What = what
	return s
}

// Reg makes a register. Steps that leave a result make their own with
// [Step.To]; this one is for values set on more than one path.
func (p *Plan) Reg(name string) Reg {
	p.regs = append(p.regs, name)
	return Reg(len(p.regs))
}

// Regs is the number of registers the plan uses.
func (p *Plan) Regs() int { return len(p.regs) }

// Label makes a place to go to, put somewhere later with [Plan.Here].
func (p *Plan) Label(name string) Label {
	p.labels = append(p.labels, -1)
	p.names = append(p.names, name)
	return Label(len(p.labels))
}

// Here places l before the next step. Every label has one place.
func (p *Plan) Here(l Label) {
	if p.labels[l-1] >= 0 {
		panic("plan: label " + p.names[l-1] + " placed twice")
	}
	p.labels[l-1] = len(p.Steps)
}

// Target is the index of the step that l stands before, or the index after i
// for [Next]. It panics for a label that was never placed: that is a mistake
// in the builder, found by any test that prepares or prints its plan.
func (p *Plan) Target(l Label, i int) int {
	if l == Next {
		return i + 1
	}
	at := p.labels[l-1]
	if at < 0 {
		panic("plan: label " + p.names[l-1] + " was never placed")
	}
	return at
}

func (p *Plan) add(s *Step) *Step {
	s.Act, s.What, s.plan = p.act, p.what, p
	p.Steps = append(p.Steps, s)
	return s
}

// Do appends a system call. The methods in calls.go are this with names for
// the arguments; use it directly for a call only one place needs.
func (p *Plan) Do(name string, nr uintptr, args ...Arg) *Step {
	if len(args) > 6 {
		panic("plan: " + name + " with more than six arguments")
	}
	return p.add(&Step{Op: Call, Name: name, Nr: nr, Args: args})
}

// To keeps the result under a name and returns where it is.
func (s *Step) To(name string) Reg {
	s.Out = s.plan.Reg(name)
	return s.Out
}

// Into keeps the result in a register made before.
func (s *Step) Into(r Reg) *Step {
	s.Out = r
	return s
}

// On goes to a label when the step ends with this errno.
func (s *Step) On(e unix.Errno, to Label) *Step {
	s.Handlers = append(s.Handlers, Handler{e, to})
	return s
}

// Ignore goes on when the step ends with one of these errnos, or with any at
// all when none is named.
func (s *Step) Ignore(errnos ...unix.Errno) *Step {
	if len(errnos) == 0 {
		return s.On(AnyErrno, Next)
	}
	for _, e := range errnos {
		s.On(e, Next)
	}
	return s
}

// IfZero goes to a label when the step succeeds with 0.
func (s *Step) IfZero(to Label) *Step { s.Zero = to; return s }

// IfNonzero goes to a label when the step succeeds with anything but 0.
func (s *Step) IfNonzero(to Label) *Step { s.Nonzero = to; return s }

// Goto goes on at a label.
func (p *Plan) Goto(to Label) { p.add(&Step{Op: Jump, Zero: to}) }

// Set puts a value into a register.
func (p *Plan) Set(r Reg, v Arg) *Step { return p.add(&Step{Op: Let, Args: []Arg{v}, Out: r}) }

// Put writes a register as a 32-bit word into prepared memory, where a later
// call reads it (an fd in a control message).
func (p *Plan) Put(m *Mem, off int, r Reg) {
	p.add(&Step{Op: Store, Mem: m, Off: off, Args: []Arg{R(r)}})
}

// Get reads the 32-bit word that an earlier call left in memory; To takes it.
func (p *Plan) Get(m *Mem, off int) *Step { return p.add(&Step{Op: Load, Mem: m, Off: off}) }

// Expect compares the 32-bit word that an earlier call left in memory with a
// constant, under a mask; anything else is the errno.
func (p *Plan) Expect(m *Mem, off int, mask, value uint32, e unix.Errno) *Step {
	return p.add(&Step{Op: Check, Mem: m, Off: off, Mask: mask, Value: value, Errno: e})
}

// Fail ends the plan here with an errno, unless a handler catches it.
func (p *Plan) Fail(e unix.Errno) *Step {
	return p.Expect(Bytes(make([]byte, 4)), 0, 0, 1, e)
}

// Gate stops the child until the parent has answered. When the parent is gone
// instead, the child ends: nothing is ever half started without somebody
// who knows of it.
func (p *Plan) Gate(name string) { p.add(&Step{Op: Gate, Text: name}) }

// Note tells the parent that the plan came this way (which rung of a ladder
// was taken) without waiting.
func (p *Plan) Note(name string) { p.add(&Step{Op: Note, Text: name}) }

// Report makes r the socket that a failure is told to. A container that waits
// to be started has no parent to tell; it tells the caller of start.
func (p *Plan) Report(r Reg) { p.add(&Step{Op: Report, Args: []Arg{R(r)}}) }

// Cut takes back the steps from i on. What refers to their labels and registers must be
// among them.
func (p *Plan) Cut(i int) { p.Steps = p.Steps[:i] }

// Insert puts the steps of another plan before step i; labels move along. Only
// steps without labels and registers of their own can be inserted. It is for
// tests that stop or break a real plan at any place.
func (p *Plan) Insert(i int, q *Plan) {
	for l, at := range p.labels {
		if at > i {
			p.labels[l] = at + len(q.Steps)
		}
	}
	p.Steps = slices.Insert(p.Steps, i, q.Steps...)
}
