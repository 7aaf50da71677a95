package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// gateGroup is answered when the container is in its cgroup and that has its
// limits. What the child does before it runs beside systemd's work.
const gateGroup = "group"

// grouping is the way of a new container into its cgroup.
type grouping struct {
	request *cgroup2.Request
	writes  []cgroup2.Write
	named   bool // somebody has said where

	planned  bool     // the plan has the steps
	dir      *os.File // a group that exists before the child; nil
	admitted chan error
	place    cgroup2.Placement // where it came to be; zero: in ours
	refusal  error             // why there is none of its own
	missing  []cgroup2.Write   // limits without a controller
	nodes    error             // why devices are not filtered
}

// newGrouping decides where the container goes. Nothing is made yet.
func (g *program) newGrouping() (*grouping, error) {
	if err := g.checkLimitsAnnotation(); err != nil {
		return nil, err
	}
	r, w := &grouping{}, cgroup2.Want{ID: g.ID, Parent: g.CgroupParent, Manager: cgroup2.Manager(g.run.CgroupManager), Annotations: g.Spec.Annotations}
	if g.NoCgroup {
		w.Manager = cgroup2.Disabled
	}
	var err error
	if l := g.Spec.Linux; l != nil {
		w.Path = l.CgroupsPath
		if r.writes, err = cgroup2.Writes(l.Resources); err != nil {
			return nil, err
		}
	}
	w.Writes = r.writes
	r.named = w.Named() && w.Manager != cgroup2.Disabled
	if r.request, err = g.run.Groups.Plan(w); err != nil {
		return nil, g.run.noGroup(err)
	}
	r.refusal = r.request.Why()
	return r, nil
}

// moves says whether the container leaves our cgroup: its cgroup namespace, which
// has the group of who makes it as its root (cgroup_namespaces(7)), comes after.
func (r *grouping) moves() bool { return r.request.Moves() }

// enterGroup appends the wait for the group and the namespace in it, once.
func (g *program) enterGroup(p *plan.Plan) {
	if !g.group.moves() || g.group.planned {
		return
	}
	g.group.planned = true
	p.Act("wait until the container is in its cgroup")
	p.Gate(gateGroup)
	if g.fresh(unix.CLONE_NEWCGROUP) {
		p.Act("make a cgroup namespace")
		p.Unshare(unix.CLONE_NEWCGROUP)
	}
}

// open makes what can be made before there is a process.
func (r *grouping) open(d *state.Dir) error {
	place, known := r.request.Place()
	if known {
		if err := d.NoteGroup(place); err != nil {
			return err
		}
	}
	var err error
	if r.dir, err = r.request.Open(); err != nil {
		d.ForgetGroup() // it may be there, and somebody else's
		return err
	}
	if r.dir != nil {
		r.place = place
	}
	return nil
}

func (r *grouping) close() {
	if r.dir != nil {
		r.dir.Close()
		r.dir = nil
	}
}

// admit asks for the group while the child works.
func (r *grouping) admit(pid int) {
	if !r.moves() {
		return
	}
	r.admitted = make(chan error, 1)
	go func() {
		place, err := r.request.Admit(pid)
		r.place = place
		r.admitted <- err
	}()
}

// undo waits for what was asked for, and takes it back.
func (r *grouping) undo() {
	if r.admitted != nil {
		if err := <-r.admitted; err != nil {
			r.refusal = err // what ended the start may be another one
		}
	}
	r.request.Undo()
}

// grouped answers the gate.
func (b *birth) grouped() error {
	g := b.group
	err, interrupted := interrupt.Receive(b.run.Signals, g.admitted)
	if interrupted != nil {
		return interrupted
	}
	g.admitted = nil
	if err != nil {
		return b.ungrouped(err)
	}
	if g.dir == nil {
		if err := b.dir.NoteGroup(g.place); err != nil {
			return err
		}
	}
	return b.limit()
}

// ungrouped is a group that was asked for and not given. A container that said nothing of its
// place and of limits can do without.
func (b *birth) ungrouped(err error) error {
	g := b.group
	g.place, g.refusal = cgroup2.Placement{}, err
	err = fmt.Errorf("make a cgroup for the container: %w", err)
	var occupied *cgroup2.OccupiedError
	switch {
	case errors.Is(err, cgroup2.ErrUnitTaken), errors.As(err, &occupied), g.named && plain(err):
		return err
	case g.named:
		return &kernel.Refusal{Cause: b.run.groupCause(err), Err: err}
	}
	return b.enforceable()
}

// plain says whether an error of a group explains itself: it is about the group that was named.
func plain(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP) }

// limit writes what the spec asks for.
func (b *birth) limit() error {
	g := b.group
	group := b.run.Groups.Group(g.place.Path)
	if dir, err := filepath.Abs(b.dir.Path); err == nil {
		group.SetOwner(dir) // compared with the open directory later
	}
	can, missing, err := group.Split(g.writes)
	if err != nil {
		return err
	}
	g.missing = missing
	if err := b.demand(missing, b.lackingCause); err != nil {
		return err
	}
	if err := group.Apply(g.place.Rounded(can)); err != nil {
		return err
	}
	if err := b.delegate(group); err != nil {
		return err
	}
	return b.filterDevices(group)
}

// delegate gives the group to the user of a container of root's that has a user
// namespace and the tree of its groups mounted writable, such as one with a systemd
// (config-linux.md, "Cgroup ownership").
func (b *birth) delegate(g cgroup2.Group) error {
	writable := slices.ContainsFunc(b.Spec.Mounts, func(m specs.Mount) bool {
		return (m.Type == "cgroup" || m.Type == "cgroup2") && !slices.Contains(m.Options, "ro")
	})
	if !writable || !b.run.Groups.System || !b.fresh(unix.CLONE_NEWUSER) || !b.fresh(unix.CLONE_NEWCGROUP) {
		return nil
	}
	uid, mapped := b.world.IDs.HostUID(b.Spec.Process.User.UID)
	if !mapped {
		return nil // refused elsewhere
	}
	return g.Delegate(int(uid))
}

// deviceRules are linux.resources.devices, where the kernel is to enforce them: in
// root's containers. In a user namespace of its own a container can make no device
// node that could be opened (user_namespaces(7)), but finds those that are bound into
// it. Nobody but root may load such a filter.
func (b *birth) deviceRules() (rules []specs.LinuxDeviceCgroup, enforced bool) {
	r := b.run
	if l := b.Spec.Linux; l != nil && l.Resources != nil {
		rules = l.Resources.Devices
	}
	return rules, r.Groups.System && r.Self.Has(unix.CAP_SYS_ADMIN) && (!b.userns() || len(rules) > 0)
}

// filterDevices enforces them.
func (b *birth) filterDevices(g cgroup2.Group) error {
	rules, enforced := b.deviceRules()
	if !enforced {
		return nil
	}
	filter, err := cgroup2.CompileDevices(rules)
	if err != nil {
		return err
	}
	err = filter.Attach(g)
	// An outer seccomp filter, a lockdown, a kernel without CONFIG_CGROUP_BPF.
	for _, refused := range []error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, refused) {
			b.group.nodes = err
			return b.demandRules(rules, func(cgroup2.Write) kernel.Cause { return kernel.New(kernel.CgroupDevices, err.Error()) })
		}
	}
	return err
}

// noGroup adds the cause to an error about a group that cannot be had here. One
// about what was asked for has none.
func (r *Runtime) noGroup(err error) error {
	for _, reason := range []error{
		cgroup2.ErrNoV2, cgroup2.ErrOutside, cgroup2.ErrReadOnly, cgroup2.ErrNotOurs, cgroup2.ErrNoBus, unix.EACCES, unix.EPERM,
	} {
		if errors.Is(err, reason) {
			return &kernel.Refusal{Cause: r.groupCause(err), Err: fmt.Errorf("unable to apply cgroup configuration: %w", err)} // runc's words
		}
	}
	return err
}

// groupCause is why there is no group.
func (r *Runtime) groupCause(err error) kernel.Cause {
	var errno unix.Errno
	switch {
	case errors.Is(err, cgroup2.ErrDisabled):
		return kernel.New(kernel.CgroupDisabled)
	case errors.Is(err, cgroup2.ErrNoV2):
		errno = unix.ENOENT
	case errors.Is(err, cgroup2.ErrReadOnly):
		errno = unix.EROFS
	case errors.Is(err, cgroup2.ErrNotOurs), errors.Is(err, cgroup2.ErrOutside), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		errno = unix.EACCES
	default:
		return r.Kernel.Fit(kernel.New(kernel.CgroupSystemd))
	}
	if c, ok := r.Kernel.Explain(kernel.Op{Do: kernel.UseCgroup}, errno); ok {
		return c
	}
	return r.Kernel.Fit(kernel.New(kernel.CgroupDelegated, err.Error()))
}

// limitFeatures are the controllers that a run may be required to have.
var limitFeatures = map[string]string{
	"memory": kernel.FeatCgroupMemory, "cpu": kernel.FeatCgroupCPU, "pids": kernel.FeatCgroupPids,
	"cpuset": kernel.FeatCgroupCpuset, "io": kernel.FeatCgroupIO,
}

// groupOutcome records what became of the group and of each limit.
func (b *birth) groupOutcome() {
	g, r := b.group, b.Spec.Linux
	limits := slices.DeleteFunc(slices.Clone(g.writes), cgroup2.Write.Unlimited)
	if g.place.Owned {
		b.contract.Grant(kernel.FeatCgroup)
	} else if len(limits) > 0 || g.named || slices.Contains(b.Require, kernel.FeatCgroup) {
		b.refuseLimits(limits, b.run.groupCause(g.refusal))
		b.contract.Refuse(kernel.FeatCgroup, b.run.groupCause(g.refusal))
	}
	if len(g.missing) > 0 {
		for _, w := range slices.DeleteFunc(g.missing, cgroup2.Write.Unlimited) {
			b.refuseLimits([]cgroup2.Write{w}, b.lackingCause(w))
		}
	}
	for _, w := range g.writes {
		if f := limitFeatures[w.Controller()]; f != "" {
			b.contract.Grant(f) // keeps what was refused
		}
	}
	b.devicesOutcome()
	if r == nil {
		return
	}
	if lost := cgroup2.Lost(r.Resources); len(lost) > 0 {
		b.contract.Degrade(kernel.FeatCgroup, strings.Join(lost, ", ")+" not set",
			kernel.New(kernel.NotSupported, "cgroup v2 has nothing of the kind"))
	}
}

// devicesOutcome says where nobody enforces the rules for devices. A container without
// a group that can make no nodes finds those that somebody has put there for it.
func (b *birth) devicesOutcome() {
	const without = "every device may be opened that there is a node for"
	c := b.Spec.Process.Capabilities
	makes := !b.userns() && c != nil && slices.Contains(c.Bounding, "CAP_MKNOD")
	_, wanted := b.deviceRules()
	switch g := b.group; {
	case g.nodes != nil:
		b.contract.Degrade(kernel.FeatDevices, without, kernel.New(kernel.CgroupDevices, g.nodes.Error()))
	case wanted && makes && !g.place.Owned:
		b.contract.Degrade(kernel.FeatDevices, without, b.run.groupCause(g.refusal))
	}
}

// refuseLimits records limits that are not there, by their features.
func (b *birth) refuseLimits(writes []cgroup2.Write, cause kernel.Cause) {
	for _, w := range writes {
		f := limitFeatures[w.Controller()]
		if f == "" {
			f = kernel.FeatCgroup
		}
		b.contract.Refuse(f, cause)
	}
}

// groupSteps are those for a tree that shows the container's cgroups.
func (g *program) groupSteps() func(*plan.Plan) {
	if g.group.moves() {
		return g.enterGroup
	}
	return nil
}

// spawn is userns.Spawn, without CLONE_INTO_CGROUP where that is refused: outer
// seccomp filters know no clone3(2). The child is then moved at its gate.
func (b *birth) spawn(r userns.Request) (*userns.Child, error) {
	c, err := userns.Spawn(r)
	var refused *userns.BirthError
	if r.Group == nil || !errors.As(err, &refused) {
		return c, err
	}
	r.Group = nil
	return userns.Spawn(r)
}
