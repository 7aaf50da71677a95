package lifecycle

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// ExecOptions say how a process joins a container.
type ExecOptions struct {
	// Process describes it. It is given the container's own to begin with, and
	// a path to the container's root to look things up in.
	Process func(container *specs.Process, root string) (*specs.Process, error)

	PidFile      string
	TTY          // where it has a terminal
	PreserveFds  int
	Attached     bool
	PidfdSocket  *os.File // connected socket that gets a pidfd of it
	IgnorePaused bool     // also in a paused container: it runs when that is resumed
	Group        string   // a cgroup below the container's, relative to it
}

var errStopped = errors.New("cannot exec in a stopped container")

// Exec runs one more process in a container.
func (r *Runtime) Exec(id string, o *ExecOptions) (*Container, error) {
	if err := checkPreserved(o.PreserveFds); err != nil {
		return nil, err
	}
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil, err
	}
	err = d.Recall(rec)
	d.Close()
	if err != nil {
		return nil, err
	}
	held, err := openPayload(rec)
	if err != nil {
		return nil, errStopped
	}
	// It would be frozen before it has become the program, and we wait for that.
	if !o.IgnorePaused && r.paused(rec) {
		return nil, errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	}
	defer held.Close()
	s := *rec.Spec // but for the process
	if s.Process, err = o.Process(rec.Process(), proc.Dir(rec.Pid)+"/root"); err != nil {
		return nil, err
	}
	inherit(s.Process, rec.Process())
	return r.exec(rec, &s, o)
}

// inherit gives a process that was described on its own what it says nothing
// about and the container's process has, as runc does: an exec is not meant to
// be less confined.
func inherit(p, from *specs.Process) {
	if p.Capabilities == nil {
		p.Capabilities = from.Capabilities
	}
	if len(p.Rlimits) == 0 {
		p.Rlimits = from.Rlimits
	}
	if p.User.Umask == nil {
		p.User.Umask = from.User.Umask
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = from.SelinuxLabel
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = from.ApparmorProfile
	}
	if p.Scheduler == nil {
		p.Scheduler = from.Scheduler
	}
	if p.IOPriority == nil {
		p.IOPriority = from.IOPriority
	}
	if p.ExecCPUAffinity == nil {
		p.ExecCPUAffinity = from.ExecCPUAffinity
	}
}

// exec spawns the process in the container's cgroup. Where the kernel forbids that,
// because the first group above both is not ours (cgroup-v2.rst, "Delegation
// Containment"), or an outer filter knows no clone3(2), it is moved at a gate.
func (r *Runtime) exec(rec *state.Record, s *specs.Spec, o *ExecOptions) (*Container, error) {
	group, err := r.openGroup(rec, o.Group)
	if err != nil {
		return nil, err
	}
	defer group.close()
	c, err := r.execIn(rec, s, o, group)
	var refused *userns.BirthError
	if group.dir != nil && errors.As(err, &refused) {
		group.close()
		c, err = r.execIn(rec, s, o, group)
	}
	if err != nil && rec.Cgroup.Owned && !rec.Alive() {
		return nil, errStopped // and its group has gone with it
	}
	if errors.As(err, &refused) {
		return nil, r.because(kernel.Op{Do: kernel.OtherCall, Data: "clone"}, err)
	}
	return c, err
}

func (r *Runtime) execIn(rec *state.Record, s *specs.Spec, o *ExecOptions, group *execGroup) (*Container, error) {
	p := plan.New()
	p.Private = r.private()
	if a := s.Process.ExecCPUAffinity; a != nil {
		if err := confine.Affinity(p, "process.execCPUAffinity.initial", a.Initial); err != nil {
			return nil, err
		}
	}
	// Before it enters, while it owns its files in /proc.
	confine.OOMScore(p, s.Process)
	processes := confine.Ahead(p, s.Process.Rlimits, r.raises())
	where, err := world.Enter(p, rec.Pid)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errStopped
	}
	if err != nil {
		return nil, err
	}
	defer where.Close()
	group.wait(p)
	facts := r.facts(s, where.Userns)
	facts.Processes = processes
	labels, err := r.labels(s.Process)
	if err != nil {
		return nil, err
	}
	defer labels.close()
	x := &execution{run: r, labels: labels, rec: rec, spec: s, ExecOptions: o, proc: confine.New(s.Process, facts), where: where, plan: p}
	if len(world.HalfNull(s.Process)) > 0 {
		if x.null, err = openNull(); err != nil {
			return nil, err
		}
		defer x.null.Close()
	}
	if err := x.write(); err != nil {
		return nil, err
	}
	if r.Rewrite != nil {
		r.Rewrite(p)
	}
	c := &Container{run: r}
	c.child, err = userns.Spawn(userns.Request{Plan: p, Group: group.dir, Born: func(pid int) error {
		return r.joinShare(rec.Share, pid)
	}, Gate: func(child *userns.Child, gate string) error {
		if gate == gateGroup {
			return group.join(r, child.Pid)
		}
		c.Pid = child.Pid
		return x.born(child.Pid)
	}, File: func(child *userns.Child, f *os.File) error {
		return filter{rec.Seccomp}.relay(f, child.Pid, rec, state.Running)
	}})
	if err != nil {
		return nil, r.explainStep(err, func(op *kernel.Op) {
			op.InUserns = where.Userns
			op.UIDMap, op.GIDMap = idMapsOf(rec.Pid)
		})
	}
	if !o.Attached {
		return c, nil // nobody signals it
	}
	// Only now: where /proc hides processes (hidepid in proc(5)), it hid this one.
	if st, err := proc.Look(c.Pid); err == nil {
		c.Begin, c.Boot = st.Begin, proc.Boot()
	}
	return c, nil
}
