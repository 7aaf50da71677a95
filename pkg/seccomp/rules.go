package seccomp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rule is an answer and what it depends on: all conditions must hold.
type rule struct {
	ret   uint32
	args  []condition
	order int // in the file
}

// use is a rule for one call: the row of its name, the index of the rule.
type use struct{ row, rule int }

// reader collects what a profile says.
//
// Which rule answers a call that several match: the first without args, whatever
// else there is (libseccomp drops the others). Without such a rule, of those
// whose args match the strictest in the kernel's order of actions, the first in
// the file of equals: as if each rule were a filter of its own (libseccomp's
// choice depends on how it sorts its tree). A rule that says what the default
// says counts for nothing, as with runc. Names that no table has are skipped:
// they are newer than we, see newest.go, or of another architecture.
type reader struct {
	fallback uint32
	rules    []rule
	uses     []use
	known    []int // rows of every name, also of rules that count for nothing
	notify   bool
}

func read(s *specs.LinuxSeccomp) (*reader, error) {
	fallback, err := action(s.DefaultAction, s.DefaultErrnoRet, field+"defaultAction", field+"defaultErrnoRet")
	if err != nil {
		return nil, err
	}
	if notifies(fallback) {
		return nil, errors.New(field + "defaultAction: SCMP_ACT_NOTIFY would stop the start itself before anybody could answer")
	}
	total := 0
	for i := range s.Syscalls {
		total += len(s.Syscalls[i].Names)
	}
	r := &reader{fallback: fallback, rules: make([]rule, 0, len(s.Syscalls)), uses: make([]use, 0, total), known: make([]int, 0, total)}
	for i := range s.Syscalls {
		if err := r.add(&s.Syscalls[i], i); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add reads one entry of syscalls. The words for a complaint are made only
// then: a profile has 400 names, and its compilation is part of every start.
func (r *reader) add(s *specs.LinuxSyscall, i int) error {
	ret, err := action(s.Action, s.ErrnoRet, "action", "errnoRet")
	if err != nil {
		return fmt.Errorf(field+"syscalls[%d].%w", i, err)
	}
	if len(s.Names) == 0 {
		return fmt.Errorf(field+"syscalls[%d].names: missing", i)
	}
	first := len(r.rules)
	if err := r.addRules(ret, s.Args); err != nil {
		return fmt.Errorf(field+"syscalls[%d].%w", i, err)
	}
	for j, name := range s.Names {
		if name == "" {
			return fmt.Errorf(field+"syscalls[%d].names[%d]: empty", i, j)
		}
		if notifies(ret) && name == "write" {
			// runc hands the listener over with it, and such a profile would
			// hang there.
			return fmt.Errorf(field+"syscalls[%d].action: SCMP_ACT_NOTIFY cannot be used for the write syscall", i)
		}
		at := row(name)
		if at < 0 {
			continue
		}
		r.known = append(r.known, at)
		if ret == r.fallback {
			continue
		}
		r.notify = r.notify || notifies(ret)
		for k := first; k < len(r.rules); k++ {
			r.uses = append(r.uses, use{at, k})
		}
	}
	return nil
}

// addRules makes one rule of an entry. libseccomp cannot test one argument twice
// in a rule; runc makes a rule of each condition then, so that one of them is
// enough, and profiles are written for that.
func (r *reader) addRules(ret uint32, args []specs.LinuxSeccompArg) error {
	var conditions []condition
	var seen, twice uint32
	for i, a := range args {
		c, err := conditionOf(a, fmt.Sprintf("args[%d]", i))
		if err != nil {
			return err
		}
		conditions = append(conditions, c)
		twice |= seen & (1 << c.index)
		seen |= 1 << c.index
	}
	if twice == 0 {
		r.rules = append(r.rules, rule{ret, conditions, len(r.rules)})
		return nil
	}
	for i := range conditions {
		r.rules = append(r.rules, rule{ret, conditions[i : i+1], len(r.rules)})
	}
	return nil
}

// leaf is what the search ends in: an answer, or a list of conditional rules
// (one more than its index) before it.
type leaf struct {
	ret  uint32
	cond int
}

// settle decides among the rules of one call, given by index in file order.
func (r *reader) settle(of []int, lists *[][]int) leaf {
	for _, i := range of {
		if len(r.rules[i].args) == 0 {
			return leaf{ret: r.rules[i].ret}
		}
	}
	of = slices.Clone(of)
	slices.SortStableFunc(of, func(a, b int) int {
		if c := stricter(r.rules[a].ret, r.rules[b].ret); c != 0 {
			return c
		}
		return r.rules[a].order - r.rules[b].order
	})
	*lists = append(*lists, of)
	return leaf{r.fallback, len(*lists)}
}

// enosys is the answer of a kernel that does not have the call.
const enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
