package lifecycle

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/resctrl"
	"sandbox/pkg/rootfs"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// Gates of a start, besides the id map's.
const (
	gateHooks = "hooks" // the tree is complete, the root not changed: hooks of the runtime and of the container's namespaces
	gateReady = "ready" // all that can fail before the program has been done
)

// program is a container's start while it is written.
type program struct {
	Options
	run   *Runtime
	world *world.World
	tree  *rootfs.Tree
	proc  *confine.Process
	plan  *plan.Plan

	lock   int  // fd of the locked directory; -1 when nothing is locked
	listen int  // fd of the start socket; -1 for run
	status int  // fd on which init reports the payload's status; -1 without
	null   int  // fd of the null device for a payload that says nothing; -1 without
	reaps  bool // it has an init
	slave  plan.Reg
	idle   plan.Reg // eventfd by which init tells the payload that it has given up its rights
	group  *grouping
	share  *resctrl.Share // of caches and memory bandwidth; nil: everybody's
	held   []int          // copied mounts and user namespaces of owners.go
	idmaps map[string]int // of these, the user namespace of a map
	labels labels
	filter filter
	found  plan.Reg // the payload's program
}

// newProgram reads the spec into a plan. Nothing is done yet. The directory is
// nil for a plan that is only printed.
func (r *Runtime) newProgram(o Options, d *state.Dir) (*program, error) {
	g := &program{Options: o, run: r, plan: plan.New(), lock: -1, listen: -1, status: -1, null: -1}
	if d != nil {
		g.lock = d.FD()
	}
	ns, err := world.Open(o.Spec, o.Paths)
	if err != nil {
		return nil, err
	}
	g.world = &world.World{Spec: o.Spec, NS: ns, IDs: mapOf(o.Spec.Linux), Plan: g.plan, Overrides: r.Self.Has(unix.CAP_DAC_OVERRIDE)}
	if err = g.apart(); err == nil {
		err = g.compile(g.scratch(d))
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *program) compile(scratch rootfs.Scratch) error {
	if g.fresh(unix.CLONE_NEWUSER) {
		if err := g.world.IDs.Validate(); err != nil {
			return fmt.Errorf("linux.uidMappings: %w", err)
		}
	} else {
		g.world.IDs = idmap.Map{}
	}
	var err error
	if g.group, err = g.newGrouping(); err != nil {
		return err
	}
	if g.world.Born = g.world.NS.Fresh; g.group.moves() {
		g.world.Born &^= unix.CLONE_NEWCGROUP // made when it is there
	}
	g.tree, err = rootfs.New(g.Spec, rootfs.Facts{
		Bundle: g.Bundle, Scratch: scratch, Paths: g.Paths, Hidden: g.Hidden, Typed: g.Typed, Elsewhere: g.world.NS.Joined(unix.CLONE_NEWNS),
		Mknod:    !g.userns() && g.run.Self.Has(unix.CAP_MKNOD) && g.run.Self.InitialUserns(),
		MapsGID:  g.mapsGID,
		NewMount: g.ownTree(), Whole: g.whole, Kcore: g.run.Kernel.Kcore(), FewFiles: proc.FewFiles(),
		SELinux: g.Spec.Linux != nil && g.Spec.Linux.MountLabel != "" && g.run.Kernel.SELinux(), Clone: g.cloner(), IDMap: g.ownerMap, Group: g.groupSteps(), RootOwner: g.Layer.rootOwner(),
	})
	if err != nil {
		return err
	}
	// An init ends its pid namespace; without one of its own it would wait for
	// a process that it does not know by its number.
	g.reaps = g.Init && g.fresh(unix.CLONE_NEWPID)
	g.proc = confine.New(g.Spec.Process, g.run.facts(g.Spec, g.userns()))
	if err := g.available(); err != nil {
		return err
	}
	if g.filter, err = g.run.compileFilter(g.Spec.Linux, g.proc); err != nil {
		if flags := g.world.Flags(); flags != 0 && !g.userns() && !g.run.Self.Has(unix.CAP_SYS_ADMIN) {
			// What is missing for the filter is missing for the namespaces already.
			return g.run.because(kernel.Op{Do: kernel.NewNamespace}, &userns.BirthError{Flags: flags, Errno: unix.EPERM})
		}
		return err
	}
	g.labels, err = g.run.labels(g.Spec.Process)
	return err
}

// close closes what the fork has copied.
func (g *program) close() {
	g.world.NS.Close()
	g.labels.close()
	if g.group != nil {
		g.group.close()
	}
	for _, fd := range g.held {
		unix.Close(fd)
	}
}

func (g *program) fresh(flag uintptr) bool { return g.world.Fresh(flag) }

// userns says whether the container is in another user namespace than we.
func (g *program) userns() bool {
	return g.world.Userns()
}

// ownTree says whether mounts of the container are in another mount namespace
// than ours. In a joined one the tree is made as in a new one, and replaces what
// is there for all who are in it, as runc does it: a chroot instead would leave
// the payload a way to what is around it.
func (g *program) ownTree() bool {
	return g.fresh(unix.CLONE_NEWNS) || g.world.NS.Joined(unix.CLONE_NEWNS)
}

// whole lists the caller's whole procfs and sysfs mounts. In a joined mount
// namespace there are others, and they belong to whoever else is in it.
func (g *program) whole() []string {
	if !g.fresh(unix.CLONE_NEWNS) {
		return nil
	}
	return g.run.Kernel.WholeMounts("proc", "sysfs")
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

// raises says whether a limit can be set above our own hard limit.
func (r *Runtime) raises() bool { return r.Self.Has(unix.CAP_SYS_RESOURCE) && r.Self.InitialUserns() }

// hardLimit is the most that an rlimit can be set to: our own hard limit,
// unless we may raise it. CAP_SYS_RESOURCE counts in the initial user
// namespace only; a child in another one has been given its way up before.
func (r *Runtime) hardLimit(resource int) uint64 {
	var l unix.Rlimit
	if r.raises() || unix.Getrlimit(resource, &l) != nil {
		return unix.RLIM_INFINITY
	}
	return l.Max
}

// private says whether children need memory of their own, whatever they do: a
// process that gets at the memory of a child that shares ours has our rights.
// Those of an ordinary user are what it has already, or nearly; a payload that is
// to be another user than root, or a container with CAP_SYS_PTRACE and root's own
// user namespace, must not be one race away from root's.
func (r *Runtime) private() bool { return r.Caller.UID == 0 || r.Self.CapPrm != 0 }

// write appends the whole start, top to bottom.
func (g *program) write() error {
	p := g.plan
	// In a pid namespace that others are in, they see the child; one that waits
	// is looked into, forgets what the caller has, and may outlive us.
	p.Private = g.run.private() || !g.fresh(unix.CLONE_NEWPID) || g.waits()
	// flock(2) belongs to the open file, which the fork shares: it must end with
	// the runtime, not with the container.
	p.Act("leave the lock to the runtime")
	p.CloseNumber(g.lock).Ignore(unix.EBADF)
	// Before the process stops owning its files in /proc.
	confine.OOMScore(p, g.Spec.Process)
	g.world.Hide()
	launcher := g.world.Join()
	g.proc.OpenUmask(p)
	g.tree.Prepare(p)
	g.world.BecomeRoot()
	g.world.Names(g.Typed)
	g.world.Loopback()
	g.waitForDevices()
	g.world.Sysctls()
	g.network.Steps(p, g.Spec, g.world)
	if !g.NoNewKeyring {
		world.Keyring(p)
	}
	g.tree.Assemble(p)
	for _, f := range g.Files {
		g.tree.Put(p, f.Path, f.Data, g.Spec.Process.User.UID, g.Spec.Process.User.GID)
	}
	g.enterGroup(p)
	if g.Spec.Process.Terminal {
		g.slave = world.Terminal(p, g.tree.Root(), g.Spec.Process, g.TTY, g.ownTree())
	}
	g.cwd()
	if hooked(g.Spec.Hooks) {
		p.Act("run the hooks %s", early(g.Spec.Hooks))
		p.Gate(gateHooks)
	}
	g.tree.Seal(p)
	g.tree.Pivot(p, g.NoPivot)
	init := g.forkInit()
	if err := g.payload(); err != nil {
		return err
	}
	if err := g.becomeInit(init); err != nil {
		return err
	}
	if launcher != 0 {
		p.Here(launcher)
		p.Act("leave the rest to the process in the namespaces")
		p.Exit(0)
	}
	return nil
}

// Plan is what Run with these options would do, and the contract that it would have as far as
// that is known before: which rung of a ladder is taken only shows when it runs. It does
// nothing, makes no files and binds no port; inode numbers of files that Run would make are 0.
func (r *Runtime) Plan(o Options) (*plan.Plan, kernel.Contract, error) {
	o, err := r.complete(o, nil)
	defer func() { o.Paths.Close() }()
	if err != nil {
		return nil, nil, err
	}
	g, err := r.newProgram(o, nil)
	if err != nil {
		return nil, nil, err
	}
	defer g.close()
	if err := g.write(); err != nil {
		return nil, nil, err
	}
	g.printHooks()
	b := &birth{program: g, contract: g.features().With(o.Contract)}
	g.group.place.Owned = g.group.moves()
	b.degrade()
	return g.plan, b.contract, nil
}
