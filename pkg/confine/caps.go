package confine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Set is a set of capabilities, bit n for capability number n.
type Set uint64

// parse reads capability names, with or without "CAP_", in any case. Names that
// are not among the known ones come back as unknown.
func parse(list, known []string) (set Set, unknown []string) {
	for _, name := range list {
		if n := number(name, known); n >= 0 {
			set |= 1 << n
		} else {
			unknown = append(unknown, name)
		}
	}
	return set, unknown
}

func number(name string, known []string) int {
	long := strings.ToUpper(name)
	if !strings.HasPrefix(long, "CAP_") {
		long = "CAP_" + long
	}
	return slices.Index(known, long)
}

// Names lists a set by the kernel's names.
func (s Set) Names() []string {
	var list []string
	for n, name := range kernel.Capabilities() {
		if s&(1<<n) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// sets are the five sets of one process.
type sets struct{ bounding, effective, permitted, inheritable, ambient Set }

// setsOf reads the spec's. No capabilities in the spec means none at all.
func setsOf(c *specs.LinuxCapabilities) (s sets, unknown []string) {
	if c == nil {
		return s, nil
	}
	known := kernel.Capabilities()
	for _, one := range []struct {
		into *Set
		from []string
	}{{&s.bounding, c.Bounding}, {&s.effective, c.Effective}, {&s.permitted, c.Permitted}, {&s.inheritable, c.Inheritable}, {&s.ambient, c.Ambient}} {
		set, bad := parse(one.from, known)
		*one.into, unknown = set, append(unknown, bad...)
	}
	return s, unknown
}

// clip leaves only what we have ourselves, and says what was cut; and what cannot be ambient.
func (s *sets) clip(have Set) (lost, flat Set) {
	for _, one := range []*Set{&s.bounding, &s.effective, &s.permitted, &s.inheritable, &s.ambient} {
		lost |= *one &^ have
		*one &= have
	}
	// capabilities(7): only what is also permitted and inheritable can be
	// ambient. Specs that ask for more get none, as with runc.
	flat = s.ambient &^ (s.permitted & s.inheritable)
	s.ambient &^= flat
	return lost, flat
}

// dropBounding removes everything else from the bounding set. EINVAL is a
// capability this kernel does not have.
func (s *sets) dropBounding(p *plan.Plan) {
	p.Act("drop capabilities from the bounding set")
	for n := range unix.CAP_LAST_CAP + 1 {
		if s.bounding&(1<<n) == 0 {
			p.Prctl(unix.PR_CAPBSET_DROP, plan.C(n)).Ignore(unix.EINVAL)
		}
	}
}

// apply sets the other four. What is held stays permitted for later.
func (s *sets) apply(p *plan.Plan, held Set) {
	p.Act("set capabilities")
	p.About(kernel.Attempt{Field: "process.capabilities"})
	capset(p, s.effective, s.permitted|held, s.inheritable)
	p.Prctl(unix.PR_CAP_AMBIENT, plan.C(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	for n := range unix.CAP_LAST_CAP + 1 {
		if s.ambient&(1<<n) != 0 {
			p.Prctl(unix.PR_CAP_AMBIENT, plan.C(unix.PR_CAP_AMBIENT_RAISE), plan.C(n))
		}
	}
}

// capset appends capset(2).
func capset(p *plan.Plan, effective, permitted, inheritable Set) {
	head := plan.Words(unix.LINUX_CAPABILITY_VERSION_3, 0)
	data := plan.Words(
		uint32(effective), uint32(permitted), uint32(inheritable),
		uint32(effective>>32), uint32(permitted>>32), uint32(inheritable>>32),
	).Show(func() string {
		return fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", uint64(effective), uint64(permitted), uint64(inheritable))
	})
	p.Do("capset", unix.SYS_CAPSET, plan.M(head), plan.M(data))
}
