package world

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Landlock keeps the process to its own abstract unix sockets and to signals within itself, with all it forks (landlock(7),
// scopes, Linux 6.12). It takes CAP_SYS_ADMIN or no_new_privs.
func Landlock(p *plan.Plan) {
	p.Act("keep to its own abstract sockets and processes")
	attr := plan.Longs(0, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL).Show(func() string {
		return "{scoped LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|LANDLOCK_SCOPE_SIGNAL}"
	})
	rules := p.Do("landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET, plan.M(attr), plan.C(len(attr.Data)), plan.C(0)).To("ruleset")
	p.Do("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, plan.R(rules), plan.C(0))
	p.Close(rules)
}
