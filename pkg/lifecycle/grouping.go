package lifecycle

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// gateGroup is answered when the container is in its cgroup and that has its
// limits. What the child does before it runs beside systemd's work.
const gateGroup = "group"

// grouping is the way of a new container into its cgroup.
type grouping struct {
	request *cgroup2.Request
	writes  []cgroup2.Write
	devices []specs.LinuxDeviceCgroup

	planned  bool // the plan has the steps
	dir      *os.File
	admitted chan error
	place    cgroup2.Placement
	refusal  *kernel.Cause // why there is none of its own
	missing  []cgroup2.Missing
}

// newGrouping decides where the container goes. Nothing is made yet.
func (g *program) newGrouping() (*grouping, error) {
	r, w := &grouping{}, cgroup2.Want{ID: g.ID, Parent: g.CgroupParent, Manager: cgroup2.Manager(g.CgroupManager), Annotations: g.Spec.Annotations}
	if l := g.Spec.Linux; l != nil {
		w.Path = l.CgroupsPath
		if l.Resources != nil {
			r.devices = l.Resources.Devices
			var err error
			if r.writes, err = cgroup2.Writes(l.Resources); err != nil {
				return nil, err
			}
		}
	}
	w.Writes = r.writes
	var err error
	r.request, err = g.run.Groups.Plan(w)
	return r, err
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

// atBirth are the namespaces that the container is born in.
func (g *program) atBirth() uintptr {
	if g.group.moves() {
		return g.ns.fresh &^ unix.CLONE_NEWCGROUP
	}
	return g.ns.fresh
}

// open makes what can be made before there is a process.
func (r *grouping) open(d *dir) error {
	if place, known := r.request.Place(); known {
		if err := d.noteGroup(place); err != nil {
			return err
		}
	}
	var err error
	r.dir, err = r.request.Open()
	if err != nil || r.dir == nil {
		return err
	}
	return nil
}

func (r *grouping) close() {
	if r.dir != nil {
		r.dir.Close()
	}
}

// admit asks for the group while the child works.
func (r *grouping) admit(pid int) {
	if !r.moves() {
		return
	}
	r.admitted = make(chan error, 1)
	go func() {
		var err error
		r.place, err = r.request.Admit(pid)
		r.admitted <- err
	}()
}

// grouped answers the gate.
func (b *birth) grouped() error {
	g := b.group
	if err := <-g.admitted; err != nil {
		return b.ungrouped(err)
	}
	if err := b.dir.noteGroup(g.place); err != nil {
		return err
	}
	return b.limit()
}

// ungrouped is a group that was asked for and not given. A container that asked
// for no limit can do without.
func (b *birth) ungrouped(err error) error {
	cause := kernel.New(kernel.CgroupSystemd, err.Error())
	if b.CgroupManager != "" || len(b.group.writes) > 0 {
		return &kernel.Refusal{Cause: cause, Err: fmt.Errorf("make a cgroup for the container: %w", err)}
	}
	b.group.refusal = &cause
	return nil
}

// limit writes what the spec asks for.
func (b *birth) limit() error {
	g := b.group
	group := g.place.Group(b.program.run.Groups)
	writes, missing, err := group.Available(g.writes)
	if err != nil {
		return err
	}
	g.missing = missing
	return group.Apply(writes)
}
