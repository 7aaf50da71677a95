package lifecycle

import (
	"fmt"
	"sort"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
	"sandbox/pkg/userns"
)

// becomeRoot waits for the id map and takes the container's root id, where
// there is one: files made from here on must have an owner inside.
func (g *program) becomeRoot() {
	p := g.plan
	if g.fresh(unix.CLONE_NEWUSER) {
		p.Act("wait for the id map")
		p.Gate(userns.GateMapped)
		if g.ns.joined(unix.CLONE_NEWPID) {
			g.hideNow()
		}
	}
	_, uid := g.ids.HostUID(0)
	_, gid := g.ids.HostGID(0)
	if g.userns() && uid && gid {
		p.Act("become root of the user namespace")
		p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.SetID, UIDs: []uint32{0}, GIDs: []uint32{0}}})
		p.Do("setresgid", unix.SYS_SETRESGID, plan.C(0), plan.C(0), plan.C(0))
		p.Do("setresuid", unix.SYS_SETRESUID, plan.C(0), plan.C(0), plan.C(0))
	}
}

func (g *program) names() {
	p := g.plan
	if h := g.Spec.Hostname; h != "" {
		p.Act("set the hostname to %s", h)
		p.Do("sethostname", unix.SYS_SETHOSTNAME, plan.S(h), plan.C(len(h)))
	}
	if d := g.Spec.Domainname; d != "" {
		p.Act("set the domain name to %s", d)
		setDomainname(p, d)
	}
}

func setDomainname(p *plan.Plan, name string) {
	p.Do("setdomainname", unix.SYS_SETDOMAINNAME, plan.S(name), plan.C(len(name)))
}

// sysctls are written through the caller's /proc: the values of a network, ipc
// or uts namespace are those of whoever opens the file, and the container's
// own /proc/sys may be read-only.
func (g *program) sysctls() {
	if g.Spec.Linux == nil {
		return
	}
	keys := make([]string, 0, len(g.Spec.Linux.Sysctl))
	for k := range g.Spec.Linux.Sysctl {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		path, _ := spec.SysctlPath(k)
		g.plan.Act("set sysctl %s", k)
		g.plan.About(kernel.Attempt{Field: fmt.Sprintf("linux.sysctl[%q]", k)})
		if path == "kernel/domainname" {
			// Its file is the host root's, in every namespace.
			setDomainname(g.plan, g.Spec.Linux.Sysctl[k])
			continue
		}
		g.plan.WriteFile(plan.Cwd(), "/proc/sys/"+path, g.Spec.Linux.Sysctl[k])
	}
}

// keyring gives the container a session keyring of its own, so that it cannot
// read keys of the caller's session. Keys count against a per-user quota, and
// some hosts refuse; the caller's session keyring is then left as well.
//
// An exec joins the keyring of that name; it would bring the caller's in.
func keyring(p *plan.Plan, id string) {
	p.Act("make a session keyring")
	kept, done := p.Label("keyring kept"), p.Label("keyring made")
	p.Do("keyctl", unix.SYS_KEYCTL, plan.C(unix.KEYCTL_JOIN_SESSION_KEYRING), plan.S("_ses."+id)).
		On(unix.ENOSYS, done).On(plan.AnyErrno, kept)
	p.Goto(done)
	p.Here(kept)
	p.Note(noteKeyring)
	p.Here(done)
}

// cwd makes a missing working directory, as runc and crun do.
func (g *program) cwd() {
	if dir := g.Spec.Process.Cwd; g.ownTree() && dir != "/" {
		g.plan.Act("make the working directory %s", dir)
		g.plan.About(kernel.Attempt{Field: "process.cwd"})
		g.tree.Make(g.plan, dir)
	}
}
