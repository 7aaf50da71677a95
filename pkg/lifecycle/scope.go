package lifecycle

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/world"
)

// scopeABI is the first version of Landlock's interface that knows scopes (Linux 6.12, landlock(7)).
const scopeABI = 6

// scope appends the giving up of rights. A payload that shares a namespace with the host is kept from what names alone give
// there: abstract unix sockets, which belong to the network namespace, and signals to the user's other processes. That takes
// CAP_SYS_ADMIN, or no_new_privs, which comes with the rest. The three calls are steps like any other: a library that
// restricts all threads of its process has nothing to do in a forked child.
func scope(p *plan.Plan, proc *confine.Process, scoped bool) {
	if scoped && !proc.NoNewPrivs() {
		world.Landlock(p)
	}
	proc.Drop(p)
	if scoped && proc.NoNewPrivs() {
		world.Landlock(p)
	}
}

// scopes says whether the kernel can.
func (r *Runtime) scopes() bool { return r.Kernel.LandlockABI() >= scopeABI }

// scopeOutcome says whether the kernel could.
func (g *program) scopeOutcome(c *kernel.Contract) {
	if !g.Scoped {
		// With both of its own there is nothing that a name alone leads to.
		if g.fresh(unix.CLONE_NEWNET) && g.fresh(unix.CLONE_NEWPID) {
			c.Grant(kernel.FeatScope)
		}
		return
	}
	if abi := g.run.Kernel.LandlockABI(); abi < scopeABI {
		c.Degrade(kernel.FeatScope, "abstract sockets of this host can be connected to, and your other processes signalled where they are seen",
			kernel.New(kernel.LandlockOld, fmt.Sprintf("the kernel's Landlock has version %d of its interface, scopes came with %d", abi, scopeABI)))
		return
	}
	c.Grant(kernel.FeatScope)
}
