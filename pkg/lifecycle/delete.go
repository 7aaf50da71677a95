package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// Delete removes a container that has stopped or was never started; force ends
// a running one first, removes whatever a killed create has left, and is
// content when there is nothing.
func (r *Runtime) Delete(id string, force bool) error {
	d, rec, err := r.lock(id)
	if err != nil {
		return r.deleteLeftover(id, d, err, force)
	}
	status := r.statusIn(d.path, rec)
	if status != Stopped && status != Created && !force {
		d.close()
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
	}
	if err := rec.end(); err != nil {
		d.close()
		return err
	}
	r.settle(rec)
	rec.endNetwork(filepath.Join(d.path, networkDir))
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
		if err := d.process().end(); err != nil {
			d.close()
			return err
		}
		r.discard(d, nil)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		d.close()
		return ErrNotExist
	}
	d.close()
	return err
}

// deleteStranger frees an id whose place something takes that is no directory.
func (r *Runtime) deleteStranger(id string) error {
	path, err := r.path(id)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove removes a container of our own that has ended.
func (r *Runtime) Remove(c *Container) {
	path, err := r.path(c.ID)
	if err != nil {
		return
	}
	d, err := openDir(path, unix.LOCK_EX)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			r.Warn("remove the container's state: " + err.Error())
		}
		return
	}
	// Another container may have taken the name since.
	if p := d.process(); p.Pid != c.Pid || p.Begin != c.Begin {
		d.close()
		return
	}
	c.endNetwork(filepath.Join(d.path, networkDir))
	r.discard(d, &c.Record)
	r.poststop(c.Hooks, &c.Record)
}
