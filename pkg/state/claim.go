package state

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// claimPatience is how long a start waits while somebody holds the lock of a directory that has no record: whoever sweeps
// it needs a moment, whoever makes a container of that id keeps it.
const claimPatience = 100 * time.Millisecond

// Claim makes the directory of a new container. What a killed create left
// behind, and a foreground run that was killed, make room; anything else with
// that id is an error and stays untouched. room decides about a directory that is there,
// which is locked: it removes it, or says why not, and closes it.
func (r *Root) Claim(id string, room func(*Dir) error) (*Dir, error) {
	path, err := r.place(id)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(claimPatience)
	for range 1000 { // others make and remove the same id meanwhile; not so often
		d, err := r.tryClaim(id, room)
		switch {
		case err == nil:
			return d, nil
		case errors.Is(err, errAgain):
		case errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(late):
			time.Sleep(time.Millisecond)
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("container with given ID already exists: %q is being changed by another process", id)
		default:
			return nil, err
		}
	}
	return nil, fmt.Errorf("make %s: others make and remove it all the time", path)
}

// errAgain says that the place has changed meanwhile, or is free now.
var errAgain = errors.New("try again")

// tryClaim makes the directory, or makes room for it. It is EWOULDBLOCK while somebody has it who has written no record.
func (r *Root) tryClaim(id string, room func(*Dir) error) (*Dir, error) {
	root, err := r.Create()
	if err != nil {
		return nil, r.Kernel.Because(kernel.Op{Do: kernel.UseRuntime, Path: r.Path}, err)
	}
	made := unix.Mkdirat(int(root.Fd()), id, Marked)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return nil, r.Kernel.Because(kernel.Op{Do: kernel.UseRuntime, Path: r.Path}, &fs.PathError{Op: "mkdir", Path: r.Path + "/" + id, Err: made})
	}
	d, err := r.Dir(id)
	if err == nil {
		// Where others can rename, what has this name now may be another directory than the one that was made.
		if err = d.lock(unix.LOCK_EX | unix.LOCK_NB); err == nil && made == nil && d.fresh() {
			return d, nil
		}
	}
	if err == nil {
		if err = room(d); err == nil {
			err = errAgain
		}
		return nil, err
	}
	var stranger *StrangerError
	var foreign *ForeignError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errAgain // a delete was quicker
	case errors.As(err, &stranger), errors.As(err, &foreign):
		err = fmt.Errorf("container with given ID already exists: %w", err)
	case errors.Is(err, unix.EWOULDBLOCK) && d.Recorded():
		err = fmt.Errorf("container with given ID already exists: %q is being changed by another process", id)
	}
	if d != nil {
		d.Close()
	}
	return nil, err
}

// fresh says whether the directory is as it was made.
func (d *Dir) fresh() bool {
	names, err := d.names()
	return d.marked && err == nil && len(names) == 0
}
