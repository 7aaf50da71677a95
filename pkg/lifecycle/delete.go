package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"

	"sandbox/pkg/kernel"
	"sandbox/pkg/network"
	"sandbox/pkg/state"
)

// Delete removes a container that has stopped or was never started; force ends
// a running one first, removes whatever a killed create has left, and is
// content when there is nothing.
func (r *Runtime) Delete(id string, force bool) error {
	defer r.Sweep()
	d, rec, err := r.Root.Lock(id)
	if err != nil {
		return r.deleteLeftover(id, d, err, force)
	}
	status := r.statusIn(d, rec)
	if status != state.Stopped && status != state.Created && !force {
		d.Close()
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
	}
	if rec.Hooked {
		if err := d.Recall(rec); err != nil && !force {
			d.Close()
			return err
		} else if err != nil {
			r.Warn("its hooks do not run: " + err.Error())
		}
	}
	if err := end(rec, endPatience); err != nil {
		d.Close()
		return err
	}
	r.settle(rec)
	network.End(rec, d)
	if err := r.leaveGroup(d, rec); err != nil {
		if !force || inhabited(err) {
			d.Close()
			return err
		}
		r.Warn(err.Error())
	}
	r.leaveShare(d)
	r.leaveLayer(d)
	if err := d.Remove(); err != nil {
		return r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root.Path}, err)
	}
	r.poststop(rec)
	return nil
}

// deleteLeftover handles a directory without a readable record.
func (r *Runtime) deleteLeftover(id string, d *state.Dir, err error, force bool) error {
	switch {
	case d == nil && errors.Is(err, state.ErrNotExist) && force:
		return r.deleteStranger(id)
	case d == nil:
		return err
	case force:
		return r.deleteForced(d, err)
	case errors.Is(err, fs.ErrNotExist):
		d.Close()
		return state.ErrNotExist
	}
	d.Close()
	return err
}

// deleteForced removes a directory whose record says nothing.
func (r *Runtime) deleteForced(d *state.Dir, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.OnlyOurs(); err != nil {
			d.Close()
			return err
		}
	}
	rec := d.Process()
	lives := !rec.Ended()
	if err := end(rec, endPatience); err != nil {
		d.Close()
		return err
	}
	if p := d.Placed(); lives && p.Owned { // whose processes have been the container's until now; what pid namespace it had, nobody knows
		_ = r.Groups.Group(p.Path).Kill()
	}
	return r.discard(d, nil, r.Warn)
}

// deleteStranger frees an id whose place something of ours takes that is no directory.
func (r *Runtime) deleteStranger(id string) error {
	d, err := r.Root.Dir(id)
	var stranger *state.StrangerError
	switch {
	case err == nil: // made meanwhile
		d.Close()
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.As(err, &stranger) || !stranger.Ours:
		return err
	}
	if err := r.Root.Unlink(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "remove", Path: stranger.Path, Err: err}
	}
	return nil
}

// Remove removes a container of our own that has ended.
func (r *Runtime) Remove(c *Container) {
	d, err := r.Root.Hold(c.ID)
	if err != nil {
		if !errors.Is(err, state.ErrNotExist) {
			r.Warn("remove the container's state: " + err.Error())
		}
		if c.Cgroup.Owned && c.OwnPID { // somebody has moved its directory, which nobody will find again
			_ = c.Cgroup.Remove(r.Groups)
		}
		return
	}
	// Another container may have taken the name since.
	if p := d.Process(); p.Pid != c.Pid || p.Begin != c.Begin {
		d.Close()
		return
	}
	network.End(&c.Record, d)
	if err := r.discard(d, &c.Record, r.Warn); err != nil {
		r.Warn(err.Error())
	}
	r.poststop(&c.Record)
}
