package lifecycle

import (
	"fmt"
	"path/filepath"

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

// noteKeyring is what the plan says when the caller's session keyring stays; the
// contract turns it into words.
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
		OwnIDs: !g.userns(),
		Clone:  g.cloner(),
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
	// Before the process stops owning its files in /proc.
	confine.OOMScore(p, g.Spec.Process)
	if !g.fresh(unix.CLONE_NEWUSER) {
		g.hide()
	}
	launcher := g.join()
	g.proc.OpenUmask(p)
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

// hide keeps processes out that see the child while it makes the container: it
// holds the host's files, and whoever shares its pid namespace and ids, as the
// containers of a pod do, could take them (CVE-2016-9962). Where the user
// namespace is new it waits for the id map, which only the owner of the child's
// files in /proc may write; nobody in another one has a right to it until then.
func (g *program) hide() {
	if g.ns.joined(unix.CLONE_NEWPID) {
		g.plan.Act("keep other containers out of this process")
		g.plan.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	}
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
