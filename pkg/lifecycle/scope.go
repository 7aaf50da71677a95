package lifecycle

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// scopeABI is the first version of Landlock's interface that knows scopes (Linux 6.12, landlock(7)).
const scopeABI = 6

// scope appends the giving up of rights. A payload that shares a namespace with the host is kept from what names alone give
// there: abstract unix sockets, which belong to the network namespace, and signals to the user's other processes. That takes
// CAP_SYS_ADMIN, or no_new_privs, which comes with the rest. The three calls are steps like any other: a library that
// restricts all threads of its process has nothing to do in a forked child.
func scope(p *plan.Plan, proc *confine.Process, scoped bool) {
	if scoped && !proc.NoNewPrivs() {
		landlock(p)
	}
	proc.Drop(p)
	if scoped && proc.NoNewPrivs() {
		landlock(p)
	}
}

func landlock(p *plan.Plan) {
	p.Act("keep to its own abstract sockets and processes")
	attr := plan.Longs(0, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL).Show(func() string {
		return "{scoped LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|LANDLOCK_SCOPE_SIGNAL}"
	})
	rules := p.Do("landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET, plan.M(attr), plan.C(len(attr.Data)), plan.C(0)).To("ruleset")
	p.Do("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, plan.R(rules), plan.C(0))
	p.Close(rules)
}

// scopes says whether the kernel can.
func (r *Runtime) scopes() bool { return r.Kernel.LandlockABI() >= scopeABI }

// scopeOutcome says whether the kernel could.
func (g *program) scopeOutcome(c *kernel.Contract) {
	if !g.Scoped {
		return
	}
	if abi := g.run.Kernel.LandlockABI(); abi < scopeABI {
		c.Degrade(kernel.FeatScope, "abstract sockets of this host can be connected to, and your other processes signalled where they are seen",
			kernel.New(kernel.LandlockOld, fmt.Sprintf("the kernel's Landlock has version %d of its interface, scopes came with %d", abi, scopeABI)))
		return
	}
	c.Grant(kernel.FeatScope)
}
