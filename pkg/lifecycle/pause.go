package lifecycle

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/state"
)

// freezePatience is how long processes may take to stop; one that waits for a
// disk takes as long as the disk.
const freezePatience = 10 * time.Second

// Pause stops all processes of a container, wherever they are, until Resume.
func (r *Runtime) Pause(id string) error {
	return r.change(id, func(g cgroup2.Group, status state.Status) error {
		switch status {
		case state.Running, state.Created:
			return g.Freeze(freezePatience)
		case state.Paused:
			return errors.New("container not running: it is paused already")
		}
		return ErrNotRunning
	})
}

// Resume lets them go on.
func (r *Runtime) Resume(id string) error {
	return r.change(id, func(g cgroup2.Group, status state.Status) error {
		if status != state.Paused {
			return errors.New("container not paused")
		}
		return g.Thaw()
	})
}

// change does something to a container's group, while nobody else changes the
// container.
func (r *Runtime) change(id string, f func(cgroup2.Group, state.Status) error) error {
	d, err := r.Root.Hold(id)
	if err != nil {
		return err
	}
	defer d.Close()
	// Two links say enough. The record is long, with a seccomp filter in it.
	rec := d.Process()
	if rec.Cgroup = d.Placed(); rec.Cgroup.Owned {
		if status := r.statusIn(d, rec); status != state.Stopped {
			return f(r.Groups.Group(rec.Cgroup.Path), status)
		}
	}
	if rec, err = d.Read(); err != nil {
		return state.NotExist(nil, err)
	}
	status := r.statusIn(d, rec)
	if status == state.Stopped {
		return ErrNotRunning
	}
	g, err := r.group(rec)
	if err != nil {
		return err
	}
	return f(g, status)
}

// group is the container's own cgroup; without one it cannot be acted on apart
// from others, and the error says why there is none.
func (r *Runtime) group(rec *state.Record) (cgroup2.Group, error) {
	if rec.Cgroup.Owned {
		return r.Groups.Group(rec.Cgroup.Path), nil
	}
	err := fmt.Errorf("container %s has no cgroup of its own", quote(rec.ID))
	if o, known := rec.Contract.Of(kernel.FeatCgroup); known && o.Cause != nil {
		return cgroup2.Group{}, &kernel.Refusal{Cause: *o.Cause, Err: err}
	}
	if rec.NoGroup != "" {
		err = fmt.Errorf("%w: %s", err, rec.NoGroup)
	}
	why := errors.New(rec.NoGroup)
	request, planned := r.Groups.Plan(cgroup2.Want{ID: rec.ID})
	switch {
	case rec.NoGroup == cgroup2.ErrDisabled.Error():
		why = cgroup2.ErrDisabled
	case planned == nil && request.Why() != nil:
		why = request.Why()
	case rec.NoGroup == "":
		return cgroup2.Group{}, err // nobody has said why, and here it could be had
	}
	return cgroup2.Group{}, &kernel.Refusal{Cause: r.groupCause(why), Err: err}
}

// paused says whether the container's group is frozen.
func (r *Runtime) paused(rec *state.Record) bool {
	if !rec.Cgroup.Owned {
		return false
	}
	frozen, err := r.Groups.Group(rec.Cgroup.Path).Frozen()
	return err == nil && frozen
}

// signalGroup signals every process in the container's group. They are stopped meanwhile,
// which must not be taken for a pause, nor undo
// one: not while somebody else changes the container, who may wait for us (a hook).
func (r *Runtime) signalGroup(d *state.Dir, rec *state.Record, sig unix.Signal) error {
	g := r.Groups.Group(rec.Cgroup.Path)
	if d.TryLock() != nil {
		return g.SignalLoose(sig)
	}
	return g.Signal(sig)
}
