package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/rootfs"
	"sandbox/pkg/userns"
)

// Gates of a start, besides the id map's.
const (
	gateHooks = "hooks" // the tree is complete, the root not changed: hooks of the runtime and of the container's namespaces
	gateReady = "ready" // all that can fail before the program has been done
)

// noteOOM and the like are what a plan says on its way that the contract
// turns into words.
const noteKeyring = "keyring.kept"

// program is a container's start while it is written.
type program struct {
	Options
	run  *Runtime
	ns   namespaces
	ids  idmap.Map
	tree *rootfs.Tree
	proc *confine.Process
	plan *plan.Plan

	lock   int // fd of the locked directory; -1 when nothing is locked
	listen int // fd of the start socket; -1 for run
	status int // fd on which init reports the payload's status; -1 without
	slave  plan.Reg
	trees  []int // mounts copied by cloner
}

// newProgram reads the spec into a plan. Nothing is done yet.
func (r *Runtime) newProgram(o Options, scratch string, lock int) (*program, error) {
	g := &program{Options: o, run: r, ids: mapOf(o.Spec.Linux), plan: plan.New(), lock: lock, listen: -1, status: -1}
	var err error
	if g.ns, err = openNamespaces(o.Spec); err != nil {
		return nil, err
	}
	if err := g.compile(scratch); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *program) compile(scratch string) error {
	if err := unsupported(g.Spec); err != nil {
		return err
	}
	if g.fresh(unix.CLONE_NEWUSER) {
		if err := g.ids.Validate(); err != nil {
			return fmt.Errorf("linux.uidMappings: %w", err)
		}
	} else {
		g.ids = idmap.Map{}
	}
	var err error
	g.tree, err = rootfs.New(g.Spec, rootfs.Facts{
		Bundle: g.Bundle, Scratch: scratch,
		Mknod:    !g.userns() && g.run.Self.Has(unix.CAP_MKNOD) && g.run.Self.InitialUserns(),
		MapsGID:  func(gid uint32) bool { _, ok := g.ids.HostGID(gid); return ok },
		Inherits: g.ns.joined(unix.CLONE_NEWNS), NewMount: g.fresh(unix.CLONE_NEWNS),
		Clone: g.cloner(),
	})
	if err != nil {
		return err
	}
	// An init ends its pid namespace; without one of its own it would wait for
	// a process that it does not know by its number.
	g.Init = g.Init && g.fresh(unix.CLONE_NEWPID)
	g.proc = confine.New(g.Spec.Process, g.run.facts(g.Spec, g.userns()))
	return nil
}

// cloner copies mounts of the caller's tree before the fork, where the caller
// may. The child, in a user namespace of its own, has lost the caller's right
// to pass directories that others have closed (mode 0700): a storage of
// podman's, a root below a private directory of root's.
func (g *program) cloner() func(string, bool) (int, error) {
	if g.lock < 0 || !g.userns() || !g.run.Self.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	return func(path string, recursive bool) (int, error) {
		flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
		if recursive {
			flags |= unix.AT_RECURSIVE
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, uint(flags))
		if err == nil {
			g.trees = append(g.trees, fd)
		}
		return fd, err
	}
}

// close closes what the fork has copied.
func (g *program) close() {
	g.ns.close()
	for _, fd := range g.trees {
		unix.Close(fd)
	}
}

func (g *program) fresh(flag uintptr) bool { return g.ns.fresh&flag != 0 }

// userns says whether the container is in another user namespace than we.
func (g *program) userns() bool {
	return g.fresh(unix.CLONE_NEWUSER) || g.ns.joined(unix.CLONE_NEWUSER)
}

// facts for the confinement of a process. A new user namespace gives all
// capabilities (user_namespaces(7)); otherwise there are our own.
func (r *Runtime) facts(s *specs.Spec, userns bool) confine.Facts {
	f := confine.Facts{
		Have: confine.Set(r.Self.CapPrm & r.Self.CapBnd), HardLimit: r.hardLimit,
		KeepGroups: s.Annotations["run.oci.keep_original_groups"] == "1",
	}
	if userns {
		f.Have = ^confine.Set(0)
	}
	return f
}

// hardLimit is the most that an rlimit can be set to: our own hard limit,
// unless we may raise it. CAP_SYS_RESOURCE counts in the initial user
// namespace only, and the child may have left that.
func (r *Runtime) hardLimit(resource int) uint64 {
	var l unix.Rlimit
	if r.Self.Has(unix.CAP_SYS_RESOURCE) && r.Self.InitialUserns() || unix.Getrlimit(resource, &l) != nil {
		return unix.RLIM_INFINITY
	}
	return l.Max
}

// write appends the whole start, top to bottom.
func (g *program) write() error {
	p := g.plan
	// flock(2) belongs to the open file, which the fork shares: it must end with
	// the runtime, not with the container.
	p.Act("leave the lock to the runtime")
	p.CloseNumber(g.lock).Ignore(unix.EBADF)
	launcher := g.join()
	g.proc.OpenUmask(p)
	confine.OOMScore(p, g.Spec.Process)
	g.tree.Prepare(p)
	g.becomeRoot()
	g.names()
	g.sysctls()
	g.keyring()
	g.tree.Assemble(p)
	if g.Spec.Process.Terminal {
		g.slave = terminal(p, g.tree.Root(), g.Spec.Process, g.Console, true)
	}
	g.cwd()
	if hooked(g.Spec.Hooks) {
		p.Act("run the hooks that see the tree from outside")
		p.Gate(gateHooks)
	}
	g.tree.Seal(p)
	g.tree.Pivot(p, g.NoPivot)
	init := g.forkInit()
	if err := g.payload(); err != nil {
		return err
	}
	g.becomeInit(init)
	if launcher != 0 {
		p.Here(launcher)
		p.Act("leave the rest to the process in the namespaces")
		p.Exit(0)
	}
	return nil
}

// join appends the entry into existing namespaces. It takes a second fork,
// from inside them, to be born into the new ones and into a joined pid
// namespace.
func (g *program) join() plan.Label {
	if len(g.ns.joins) == 0 {
		return 0
	}
	p := g.plan
	for _, j := range g.ns.joins {
		p.Act("join the namespace %s", j.path)
		p.Setns(plan.C(int(j.file.Fd())), j.flag)
	}
	p.Act("be born in the container's namespaces")
	if g.fresh(unix.CLONE_NEWTIME) {
		p.Unshare(unix.CLONE_NEWTIME) // clone(2) has no bit for it
	}
	launcher := p.Label("first process")
	p.Fork(g.ns.fresh&^unix.CLONE_NEWTIME, launcher)
	p.Note(userns.NoteBorn)
	return launcher
}

// flags are the namespaces of the first fork.
func (g *program) flags() uintptr {
	if len(g.ns.joins) > 0 {
		return 0
	}
	return g.ns.fresh
}

// becomeRoot waits for the id map and takes the container's root id, where
// there is one: files made from here on must have an owner inside.
func (g *program) becomeRoot() {
	p := g.plan
	if g.fresh(unix.CLONE_NEWUSER) {
		p.Act("wait for the id map")
		p.Gate(userns.GateMapped)
	}
	_, uid := g.ids.HostUID(0)
	_, gid := g.ids.HostGID(0)
	if g.userns() && uid && gid {
		p.Act("become root of the user namespace")
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
		p.Do("setdomainname", unix.SYS_SETDOMAINNAME, plan.S(d), plan.C(len(d)))
	}
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
		g.plan.Act("set sysctl %s", k)
		g.plan.WriteFile(plan.Cwd(), sysctlPath(k), g.Spec.Linux.Sysctl[k])
	}
}

// sysctlPath is the file of a sysctl. A key with a slash is a path already, so
// that an interface name with a dot can be said (sysctl(8)).
func sysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return filepath.Join("/proc/sys", filepath.Clean("/"+key))
}

// keyring gives the container a session keyring of its own, so that it cannot
// read keys of the caller's session. Keys count against a per-user quota, and
// some hosts refuse; the caller's session keyring is then left as well.
func (g *program) keyring() {
	if g.NoNewKeyring {
		return
	}
	p := g.plan
	p.Act("make a session keyring")
	kept, done := p.Label("keyring kept"), p.Label("keyring made")
	p.Do("keyctl", unix.SYS_KEYCTL, plan.C(unix.KEYCTL_JOIN_SESSION_KEYRING), plan.S("_ses."+g.ID)).
		On(unix.ENOSYS, done).On(plan.AnyErrno, kept)
	p.Goto(done)
	p.Here(kept)
	p.Note(noteKeyring)
	p.Here(done)
}

// cwd makes a missing working directory, as runc and crun do.
func (g *program) cwd() {
	if dir := g.Spec.Process.Cwd; g.fresh(unix.CLONE_NEWNS) && dir != "/" {
		g.plan.Act("make the working directory %s", dir)
		g.tree.Make(g.plan, dir)
	}
}

// forkInit makes the payload a child of the container's first process, which
// stays as its init. Only the fork is here; see becomeInit.
func (g *program) forkInit() plan.Label {
	if !g.Init {
		return 0
	}
	p := g.plan
	p.Act("fork the payload from init")
	// Nobody inside may look into init: it keeps all capabilities.
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	if g.Attached {
		// Before the fork: the payload's last gate then finds a parent that
		// has died earlier than this.
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	init := p.Label("init")
	p.ForkChild(init)
	p.Note(userns.NoteInit)
	return init
}

// becomeInit is what init does: wait for every orphan, and when the payload has
// ended, say how and end too, which ends the whole pid namespace
// (pid_namespaces(7)).
func (g *program) becomeInit(init plan.Label) {
	if init == 0 {
		return
	}
	p := g.plan
	p.Here(init)
	p.Act("wait for orphans and for the payload")
	keep := 0
	if g.Attached {
		p.Do("dup3", unix.SYS_DUP3, plan.C(g.status), plan.C(0), plan.C(0))
		keep = 1
	}
	p.CloseFrom(keep, 0)
	again := p.Label("wait")
	status, who := plan.Words(0), plan.Words(0)
	p.Here(again)
	r := p.Do("wait4", unix.SYS_WAIT4, plan.C(-1), plan.M(status), plan.C(0), plan.C(0)).To("ended")
	p.Put(who, 0, r)
	// The payload was the first fork in this pid namespace.
	p.Expect(who, 0, ^uint32(0), 2, unix.EAGAIN).On(unix.EAGAIN, again)
	if g.Attached {
		p.Do("write", unix.SYS_WRITE, plan.C(0), plan.M(status), plan.C(4)).Ignore()
	}
	p.Exit(0)
}

// payload appends what only the payload's process does.
func (g *program) payload() error {
	p := g.plan
	p.Act("begin a session")
	p.Do("setsid", unix.SYS_SETSID)
	if !g.KeepSignals {
		defaultSignals(p)
	}
	if g.slave != 0 {
		controlling(p, g.slave)
	}
	if g.Silent {
		p.Act("leave the caller's standard files")
		null := p.Open(os.DevNull, unix.O_RDWR).To("null")
		for fd := range 3 {
			p.Dup2(null, fd)
		}
	} else {
		ownPipes(p, g.Spec.Process)
	}
	// Before any path of the container's is followed by a process that may
	// still hold fds of the host (CVE-2024-21626).
	descriptors(p, 3+g.PreserveFds, g.listen)
	g.run.restoreFiles(p)
	if err := g.proc.Limits(p); err != nil {
		return err
	}
	g.proc.Drop(p)
	g.proc.Cwd(p)
	program := g.proc.Find(p)
	g.visible()
	if g.Attached && !g.Init {
		// After the change of ids, which clears it (prctl(2)); the gate behind
		// it finds a parent that has died before.
		p.Act("end with the foreground process")
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	p.Act("wait until the state is recorded")
	p.Gate(gateReady)
	if g.listen >= 0 {
		g.waitForStart()
	}
	g.proc.Exec(p, program)
	return nil
}

// visible lets the caller look at the namespaces of the waiting process. Only
// in a pid namespace of its own: elsewhere a process of another container
// could look into it too (CVE-2016-9962).
func (g *program) visible() {
	dumpable := 0
	if g.fresh(unix.CLONE_NEWPID) {
		dumpable = 1
	}
	g.plan.Act("set who may look into the waiting process")
	g.plan.Prctl(unix.PR_SET_DUMPABLE, plan.C(dumpable))
}

// descriptors leaves the process with 0, 1, 2, those that were asked for, and
// from first on the sockets it waits at: the parent's, and that of start where
// listen is one. Everything else is really closed, not only at the exec: fds of
// a waiting process are visible in /proc (CVE-2024-21626).
func descriptors(p *plan.Plan, first, listen int) {
	p.Act("close every other file descriptor")
	// Both move out of the way before they take the first numbers.
	far := plan.C(first + 2)
	parent := p.Do("fcntl", unix.SYS_FCNTL, plan.Parent(), plan.C(unix.F_DUPFD_CLOEXEC), far).To("parent")
	last := first
	if listen >= 0 {
		start := p.Do("fcntl", unix.SYS_FCNTL, plan.C(listen), plan.C(unix.F_DUPFD_CLOEXEC), far).To("start socket")
		p.Do("dup3", unix.SYS_DUP3, plan.R(start), plan.C(first+1), plan.C(unix.O_CLOEXEC))
		last++
	}
	low := p.Do("dup3", unix.SYS_DUP3, plan.R(parent), plan.C(first), plan.C(unix.O_CLOEXEC)).To("parent")
	p.Report(low)
	p.CloseFrom(last+1, 0)
}

// waitForStart is the last gate: one byte from anybody who may open the socket.
// A caller that dies between connecting and writing changes nothing.
func (g *program) waitForStart() {
	p := g.plan
	p.Act("wait to be started")
	again, drop := p.Label("wait"), p.Label("not meant")
	first := 3 + g.PreserveFds
	p.CloseNumber(first) // nobody is there any more
	p.Here(again)
	conn := p.Do("accept4", unix.SYS_ACCEPT4, plan.C(first+1), plan.C(0), plan.C(0), plan.C(unix.SOCK_CLOEXEC)).
		On(unix.ECONNABORTED, again).To("starter")
	p.Do("read", unix.SYS_READ, plan.R(conn), plan.M(plan.Words(0)), plan.C(1)).IfZero(drop).On(plan.AnyErrno, drop)
	started := p.Label("started")
	p.Goto(started)
	p.Here(drop)
	p.Close(conn)
	p.Goto(again)
	p.Here(started)
	p.Report(conn)
}

// defaultSignals undoes what the Go runtime leaves ignored when the caller
// ignores it: a container is a new start and not a job of that shell's.
func defaultSignals(p *plan.Plan) {
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT} {
		// struct sigaction of the kernel, all zero: SIG_DFL.
		p.Do("rt_sigaction", unix.SYS_RT_SIGACTION, plan.C(int(sig)), plan.M(plan.Longs(0, 0, 0, 0)), plan.C(0), plan.C(8))
	}
}

// inheritedFiles is the limit of open files that we were started with, zero
// where it still holds. Go raises its own soft limit to one below the hard one
// (package syscall, rlimit.go) and remembers the old value where we cannot see
// it; our parent's is the one we inherited.
func inheritedFiles() unix.Rlimit {
	var ours, theirs unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &ours) != nil || ours.Cur != ours.Max-1 {
		return unix.Rlimit{}
	}
	soft := min(uint64(1024), ours.Max)
	if unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, &theirs) == nil && theirs.Max == ours.Max {
		soft = theirs.Cur
	}
	return unix.Rlimit{Cur: soft, Max: ours.Max}
}

func (r *Runtime) restoreFiles(p *plan.Plan) {
	if r.Files == (unix.Rlimit{}) {
		return
	}
	p.Act("restore the soft limit of open files")
	p.Do("prlimit64", unix.SYS_PRLIMIT64, plan.C(0), plan.C(unix.RLIMIT_NOFILE), plan.M(plan.Longs(r.Files.Cur, r.Files.Max)), plan.C(0))
}

// ownPipes gives the payload the pipes it inherits, so that it may open
// /dev/stdout again by name. Only pipes: a file or terminal of the caller's
// stays the caller's.
func ownPipes(p *plan.Plan, proc *specs.Process) {
	if proc.User.UID == 0 || proc.Terminal {
		return
	}
	for fd := 0; fd < 3; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			p.Act("give the payload its pipe %d", fd)
			p.Do("fchown", unix.SYS_FCHOWN, plan.C(fd), plan.C(int(proc.User.UID)), plan.C(-1)).Ignore(unix.EPERM, unix.EINVAL)
		}
	}
}

// Plan is what Run with these options would do, and does nothing.
func (r *Runtime) Plan(o Options) (*plan.Plan, error) {
	g, err := r.newProgram(o, filepath.Join(r.Root, o.ID), -1)
	if err != nil {
		return nil, err
	}
	defer g.close()
	return g.plan, g.write()
}

// features are what the spec asks for, granted until something says otherwise.
func (g *program) features() kernel.Contract {
	var c kernel.Contract
	for _, kind := range kinds {
		if g.fresh(kind.flag) {
			c.Grant(kind.feature)
		}
	}
	return c
}
