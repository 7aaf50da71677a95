package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// Delete removes a container that has stopped or was never started; force ends
// a running one first, removes whatever a killed create has left, and is
// content when there is nothing.
func (r *Runtime) Delete(id string, force bool) error {
	defer r.Sweep()
	d, rec, err := r.lock(id)
	if err != nil {
		return r.deleteLeftover(id, d, err, force)
	}
	status := r.statusIn(d, rec)
	if status != Stopped && status != Created && !force {
		d.close()
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
	}
	if err := rec.end(endPatience); err != nil {
		d.close()
		return err
	}
	r.settle(rec)
	rec.endNetwork(d)
	if err := r.leaveGroup(d, rec); err != nil {
		if !force {
			d.close()
			return err
		}
		r.Warn(err.Error())
	}
	r.leaveShare(d)
	if err := d.remove(); err != nil {
		return r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root}, err)
	}
	r.poststop(rec.Hooks, rec)
	return nil
}

// deleteLeftover handles a directory without a readable record.
func (r *Runtime) deleteLeftover(id string, d *dir, err error, force bool) error {
	switch {
	case d == nil && errors.Is(err, ErrNotExist) && force:
		return r.deleteStranger(id)
	case d == nil:
		return err
	case force:
		return r.deleteForced(d, err)
	case errors.Is(err, fs.ErrNotExist):
		d.close()
		return ErrNotExist
	}
	d.close()
	return err
}

// deleteForced removes a directory whose record says nothing.
func (r *Runtime) deleteForced(d *dir, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.leftover(); err != nil {
			d.close()
			return err
		}
	}
	if err := d.process().end(endPatience); err != nil {
		d.close()
		return err
	}
	return r.discard(d, nil, r.Warn)
}

// deleteStranger frees an id whose place something of ours takes that is no directory.
func (r *Runtime) deleteStranger(id string) error {
	d, err := r.open(id)
	var stranger *strangerError
	switch {
	case err == nil: // made meanwhile
		d.close()
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.As(err, &stranger) || !stranger.ours:
		return err
	}
	if err := unix.Unlinkat(int(r.state.Fd()), id, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "remove", Path: stranger.path, Err: err}
	}
	return nil
}

// Remove removes a container of our own that has ended.
func (r *Runtime) Remove(c *Container) {
	d, err := r.hold(c.ID)
	if err != nil {
		if !errors.Is(err, ErrNotExist) {
			r.Warn("remove the container's state: " + err.Error())
		}
		return
	}
	// Another container may have taken the name since.
	if p := d.process(); p.Pid != c.Pid || p.Begin != c.Begin {
		d.close()
		return
	}
	c.endNetwork(d)
	if err := r.discard(d, &c.Record, r.Warn); err != nil {
		r.Warn(err.Error())
	}
	r.poststop(c.Hooks, &c.Record)
}
