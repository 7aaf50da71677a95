package confine

import (
	"encoding/binary"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Facts are what the steps depend on besides the spec.
type Facts struct {
	Have       Set                       // capabilities the child has when it gets here
	KeepGroups bool                      // leave the caller's supplementary groups
	HardLimit  func(resource int) uint64 // the most an rlimit can be set to
	Processes  unix.Rlimit               // what that limit is to be again (Ahead); zero: it is
}

// Process appends the steps that confine one process.
type Process struct {
	spec  *specs.Process
	facts Facts
	caps  sets

	// What the host could not give, in words; complete after New and Limits.
	Unknown []string // capability names the kernel does not know
	Lost    Set      // capabilities asked for that we do not have ourselves
	Flat    Set      // those that were to be ambient, and are not permitted and inheritable too, as they have to be
	Limited []string // rlimits that were cut

	umask   plan.Reg
	entered plan.Reg // nonzero: in the working directory
	held    Set      // see Hold
}

// New reads the process's confinement.
func New(spec *specs.Process, f Facts) *Process {
	c := &Process{spec: spec, facts: f}
	c.caps, c.Unknown = setsOf(spec.Capabilities)
	c.Lost, c.Flat = c.caps.clip(f.Have)
	return c
}

// OpenUmask makes file modes in the following steps mean what they say.
func (c *Process) OpenUmask(p *plan.Plan) {
	p.Act("set the umask aside")
	c.umask = p.Do("umask", unix.SYS_UMASK, plan.C(0)).To("umask")
}

// OOMScore appends the adjustment of the out-of-memory score, through the
// caller's /proc and while the process still owns its own files there. To
// lower it needs CAP_SYS_RESOURCE; config.md says that it MUST be set, so what is
// refused ends the start, as with runc and crun.
func OOMScore(p *plan.Plan, spec *specs.Process) {
	if spec.OOMScoreAdj == nil {
		return
	}
	p.Private = true // Linux sets it for every process with the same memory
	score := strconv.Itoa(*spec.OOMScoreAdj)
	p.Act("set process.oomScoreAdj to %s", score)
	p.About(attempt(kernel.Op{Do: kernel.SetOOMScore, Want: uint64(*spec.OOMScoreAdj)}))
	fd := p.Open("/proc/self/oom_score_adj", unix.O_WRONLY).To("score")
	p.Do("write", unix.SYS_WRITE, plan.R(fd), plan.M(plan.CString(score)), plan.C(len(score)))
	p.Close(fd)
}

// attempt is what steps are about whose words name the field.
func attempt(op kernel.Op) kernel.Attempt { return kernel.Attempt{Op: op} }

// Limits appends the rlimits. Behind [Ahead] they take no privilege.
func (c *Process) Limits(p *plan.Plan) error {
	if l := c.facts.Processes; l != (unix.Rlimit{}) {
		p.Act("restore the limit of processes")
		p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(unix.RLIMIT_NPROC), plan.M(plan.Longs(l.Cur, l.Max)), plan.C(0))
	}
	lost, err := limits(p, c.spec.Rlimits, c.facts.HardLimit)
	c.Limited = lost
	return err
}

// NoNewPrivs says whether Drop sets no_new_privs.
func (c *Process) NoNewPrivs() bool { return c.spec.NoNewPrivileges }

// Drop appends the change to the payload's ids and capabilities.
func (c *Process) Drop(p *plan.Plan) {
	c.caps.dropBounding(p)
	c.identify(p)
	c.caps.apply(p, c.held)
	if c.spec.NoNewPrivileges {
		p.Act("forbid new privileges")
		p.Prctl(unix.PR_SET_NO_NEW_PRIVS, plan.C(1))
	}
	// config.md, "umask": without one the caller's stays.
	switch {
	case c.spec.User.Umask != nil:
		p.Act("set the umask")
		p.Do("umask", unix.SYS_UMASK, plan.C(int(*c.spec.User.Umask&0o777)))
	case c.umask != 0:
		p.Act("set the umask")
		p.Do("umask", unix.SYS_UMASK, plan.R(c.umask))
	}
}

// Idle appends what leaves a process that only waits for others with less than the
// payload: its ids, and no capability in any set. Not before the process has done
// everything else; a signal of its parent's death has to be asked for afterwards
// (prctl(2), PR_SET_PDEATHSIG).
func (c *Process) Idle(p *plan.Plan) {
	(&sets{}).dropBounding(p)
	c.identify(p)
	Nothing(p)
}

// Nothing appends what leaves a process without capabilities, for good.
func Nothing(p *plan.Plan) {
	p.Act("have no capabilities")
	capset(p, 0, 0, 0) // which empties the ambient set too (capabilities(7))
	p.Prctl(unix.PR_SET_NO_NEW_PRIVS, plan.C(1))
}

// identify appends the change to the payload's ids.
func (c *Process) identify(p *plan.Plan) {
	p.Act("become uid %d gid %d", c.spec.User.UID, c.spec.User.GID)
	p.About(attempt(kernel.Op{Do: kernel.SetID, UIDs: []uint32{c.spec.User.UID}, GIDs: []uint32{c.spec.User.GID}}))
	p.Prctl(unix.PR_SET_KEEPCAPS, plan.C(1))
	c.groups(p)
	gid, uid := int(c.spec.User.GID), int(c.spec.User.UID)
	p.Do("setresgid", unix.SYS_SETRESGID, plan.C(gid), plan.C(gid), plan.C(gid))
	p.Do("setresuid", unix.SYS_SETRESUID, plan.C(uid), plan.C(uid), plan.C(uid))
	p.Prctl(unix.PR_SET_KEEPCAPS, plan.C(0))
}

// NoteGroups says that the caller's supplementary groups stayed.
const NoteGroups = "groups.kept"

// groups sets the supplementary groups. Where setgroups(2) is denied
// (user_namespaces(7), single-id maps) none can be added, and the caller's own
// stay: dropping a group could open files that deny it.
func (c *Process) groups(p *plan.Plan) {
	if c.facts.KeepGroups {
		return
	}
	list := c.spec.User.AdditionalGids
	set := p.Do("setgroups", unix.SYS_SETGROUPS, plan.C(len(list)), plan.M(plan.Words(list...)))
	set.About(attempt(kernel.Op{Do: kernel.Setgroups, GIDs: list}))
	if len(list) > 0 {
		return
	}
	denied, done := p.Label("groups denied"), p.Label("groups set")
	set.On(unix.EPERM, denied)
	p.Goto(done)
	p.Here(denied)
	p.Note(NoteGroups)
	p.Here(done)
}

// Enter appends the change to the payload's working directory with our rights, before [Process.Drop]: the payload may be
// in a directory that only root can enter. What our rights do not open either is left to [Process.Cwd], as in a user
// namespace a directory of an id without a mapping is, and what is not there yet, as the files of /proc of a process that an
// exec is still to make.
func (c *Process) Enter(p *plan.Plan) {
	c.aboutCwd(p)
	c.entered = p.Reg("entered")
	closed := p.Label("closed to us")
	p.Set(c.entered, plan.C(0))
	p.Chdir(c.spec.Cwd).On(unix.EACCES, closed).On(unix.ENOENT, closed)
	p.Set(c.entered, plan.C(1))
	p.Here(closed)
}

// Cwd appends the change to the payload's working directory with the payload's own rights, where [Process.Enter] has
// not come in.
func (c *Process) Cwd(p *plan.Plan) {
	c.aboutCwd(p)
	there := p.Label("in the working directory")
	p.Set(c.entered, plan.R(c.entered)).IfNonzero(there)
	p.Chdir(c.spec.Cwd)
	p.Here(there)
	// /proc/self/fd/N in it could still lead to a directory of the host that the
	// caller passes in (CVE-2024-21626): its path does not begin with "/" as
	// seen from here, or there is none (getcwd(2)).
	path := plan.Bytes(make([]byte, 4096)).Show(func() string { return "<path>" })
	p.Do("getcwd", unix.SYS_GETCWD, plan.M(path), plan.C(len(path.Data)))
	word := binary.NativeEndian.Uint32
	p.Expect(path, 0, word([]byte{0xff, 0, 0, 0}), word([]byte{'/', 0, 0, 0}), unix.ENOENT)
}

func (c *Process) aboutCwd(p *plan.Plan) {
	p.Act("change to the working directory %s", c.spec.Cwd)
	p.About(kernel.Attempt{Field: "process.cwd"})
}
