package confine

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

const admin = Set(1) << unix.CAP_SYS_ADMIN

// Hold prepares for a seccomp filter that comes last of all, right before exec:
// what a filter forbids must not be a step of our own. Loading one without
// no_new_privs takes CAP_SYS_ADMIN, so it stays permitted after [Process.Drop];
// it is not effective, and paths are followed with the payload's rights. Hold
// comes before Drop; false says that we do not have it.
func (c *Process) Hold() bool {
	if c.spec.NoNewPrivileges {
		return true
	}
	c.held = admin &^ c.caps.permitted
	return c.facts.Have&admin != 0
}

// Raises says whether loading takes a right that the payload does not get.
func (c *Process) Raises() bool { return !c.spec.NoNewPrivileges && c.caps.effective&admin == 0 }

// Filtered appends load with the right to do it, and gives that up for good.
func (c *Process) Filtered(p *plan.Plan, load func() *plan.Step) *plan.Step {
	s, raise := &c.caps, c.Raises()
	if raise {
		p.Act("take the right to load a seccomp filter")
		capset(p, s.effective|admin, s.permitted|admin, s.inheritable)
	}
	p.Act("load the seccomp filter")
	step := load()
	if raise {
		p.Act("give up the right to load a seccomp filter")
		capset(p, s.effective, s.permitted, s.inheritable)
	}
	return step
}
