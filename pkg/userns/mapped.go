package userns

import (
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/plan"
)

// Program is one that runs as root of a user namespace of its own, in which files may have all ids that the map has: what
// belongs to subordinate ids is theirs to make and to remove. It ends with whoever started it.
type Program struct {
	File      *os.File // what is executed
	Dir       int      // a descriptor of its working directory; 0 is the caller's
	Args, Env []string
	New       uintptr // more namespaces, CLONE_NEW*; CLONE_NEWUSER is always new

	IDs    idmap.Map
	Maps   idmap.Host
	Caller idmap.Caller
}

// Start starts it; errors are those of [Spawn]. The thread that calls must live as long as it.
func (g Program) Start() (*Child, error) {
	p := plan.New()
	p.Act("wait for the id map")
	p.Gate(plan.GateMapped)
	if _, root := g.IDs.HostUID(0); root {
		p.Act("become root of the user namespace")
		p.Do("setresgid", unix.SYS_SETRESGID, plan.C(0), plan.C(0), plan.C(0))
		p.Do("setresuid", unix.SYS_SETRESUID, plan.C(0), plan.C(0), plan.C(0))
	}
	p.Act("end with whoever started it")
	p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	if g.Dir != 0 {
		p.Act("change to its directory")
		p.Do("fchdir", unix.SYS_FCHDIR, plan.C(g.Dir))
	}
	p.Act("exec: %q", g.Args)
	p.Note(plan.NoteExec)
	p.Do("execveat", unix.SYS_EXECVEAT, plan.C(int(g.File.Fd())), plan.S(""), plan.M(plan.CStrings(g.Args)), plan.M(plan.CStrings(g.Env)), plan.C(unix.AT_EMPTY_PATH))
	return Spawn(Request{New: unix.CLONE_NEWUSER | g.New, Plan: p, IDs: g.IDs, Maps: g.Maps, Caller: g.Caller})
}
