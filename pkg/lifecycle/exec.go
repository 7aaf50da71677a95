package lifecycle

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/interrupt"
	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// ExecOptions say how a process joins a container.
type ExecOptions struct {
	// Process describes it completely, and says who has its terminal. It is given
	// the container's own to begin with, and a path to the container's root to look things up in.
	Process func(container *specs.Process, root string) (*specs.Process, TTY, error)

	PidFile      string
	PreserveFds  int
	Attached     bool
	PidfdSocket  *os.File // connected socket that gets a pidfd of it
	IgnorePaused bool     // also in a paused container: it runs when that is resumed
	Group        string   // a cgroup below the container's, relative to it
}

var errStopped = errors.New("cannot exec in a stopped container")

// Exec runs one more process in a container.
func (r *Runtime) Exec(id string, o ExecOptions) (*Container, error) {
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
	if errors.Is(err, ErrNotRunning) {
		return nil, errStopped
	}
	if err != nil {
		return nil, err
	}
	// It would be frozen before it has become the program, and we wait for that.
	if !o.IgnorePaused && r.paused(rec) {
		return nil, errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	}
	defer held.Close()
	s := *rec.Spec // but for the process
	x := &execution{ExecOptions: o, run: r, rec: rec, spec: &s}
	if s.Process, x.tty, err = o.Process(rec.Process(), proc.Dir(rec.Pid)+"/root"); err != nil {
		return nil, err
	}
	return x.spawn()
}

// spawn makes the process in the container's cgroup. Where the kernel forbids that,
// because the first group above both is not ours (cgroup-v2.rst, "Delegation
// Containment"), or an outer filter knows no clone3(2), it is moved at a gate.
func (x *execution) spawn() (*Container, error) {
	group, err := x.run.openGroup(x.rec, &x.ExecOptions)
	if err != nil {
		return nil, err
	}
	defer group.close()
	c, err := x.spawnIn(group)
	var refused *userns.BirthError
	if group.dir != nil && errors.As(err, &refused) {
		group.close()
		c, err = x.spawnIn(group)
	}
	if errors.Is(err, userns.ErrOver) || err != nil && Interrupted(err) == 0 && !x.rec.Alive() {
		return nil, errStopped // and its namespaces and its group with it
	}
	if errors.As(err, &refused) {
		return nil, x.run.because(kernel.Op{Do: kernel.OtherCall, Data: "clone"}, err)
	}
	return c, err
}

func (x *execution) spawnIn(group *execGroup) (*Container, error) {
	r, rec := x.run, x.rec
	if err := x.enter(group); err != nil {
		return nil, err
	}
	defer x.where.Close()
	var err error
	if x.labels, err = r.labels(x.spec.Process); err != nil {
		return nil, err
	}
	defer x.labels.close()
	if len(world.HalfNull(x.spec.Process, x.tty)) > 0 {
		if x.null, err = openNull(); err != nil {
			return nil, err
		}
		defer x.null.Close()
	}
	if err := x.write(); err != nil {
		return nil, err
	}
	if r.Rewrite != nil {
		r.Rewrite(x.plan)
	}
	c := &Container{run: r}
	c.child, err = userns.Spawn(x.told(userns.Request{Plan: x.plan, Group: group.dir, Signals: r.Signals, Over: rec.Payload().Ends, Born: func(pid int) error {
		return r.joinShare(rec.Share, pid)
	}, Gate: func(child *userns.Child, gate string) error {
		if gate == gateGroup {
			return group.join(r, child.Pid)
		}
		c.Pid = child.Pid
		return x.born(child.Pid)
	}, File: func(child *userns.Child, f *os.File) error {
		return interrupt.Do(r.Signals, func() error { return filter{rec.Seccomp}.relay(f, child.Pid, rec, state.Running) })
	}}))
	if err != nil {
		return nil, r.explainStep(err, func(op *kernel.Op) {
			op.InUserns = x.where.Userns
			op.UIDMap, op.GIDMap = idMapsOf(rec.Pid)
		})
	}
	if !x.Attached {
		return c, nil // nobody signals it
	}
	// Only now: where /proc hides processes (hidepid in proc(5)), it hid this one.
	if st, err := proc.Look(c.Pid); err == nil {
		c.Begin, c.Boot = st.Begin, proc.Boot()
	}
	return c, nil
}
