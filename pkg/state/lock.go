package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock locks the directory. It may be removed while we wait; then it is fs.ErrNotExist.
func (d *Dir) lock(how int) error {
	if err := flock(d.f, how); err != nil {
		return fmt.Errorf("lock %s: %w", d.Path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.FD(), &st); err != nil || st.Nlink == 0 {
		return fs.ErrNotExist
	}
	return nil
}

// lockPatience is how long a verb waits for another one on the same container.
const lockPatience = 10 * time.Second

func flock(f *os.File, how int) error {
	deadline := time.Now().Add(lockPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || how&unix.LOCK_NB != 0 || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// known opens a container's directory. What is no directory is no container.
func (r *Root) known(id string) (*Dir, error) {
	d, err := r.Dir(id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, ErrNotExist
	}
	return d, err
}

// Hold opens an existing container's directory for a change.
func (r *Root) Hold(id string) (*Dir, error) {
	d, err := r.known(id)
	if err != nil {
		return nil, err
	}
	if err := d.lock(unix.LOCK_EX); err != nil {
		return nil, NotExist(d, err)
	}
	return d, nil
}

// Lock opens an existing container for a change, with its record.
func (r *Root) Lock(id string) (*Dir, *Record, error) {
	d, err := r.Hold(id)
	if err != nil {
		return nil, nil, err
	}
	rec, err := d.Read()
	if err != nil {
		return d, nil, err
	}
	return d, rec, nil
}

// Find opens an existing container to look at it.
func (r *Root) Find(id string) (*Dir, *Record, error) {
	d, err := r.known(id)
	if err != nil {
		return nil, nil, err
	}
	rec, err := d.Read()
	if err != nil {
		return nil, nil, NotExist(d, err)
	}
	return d, rec, nil
}

// NotExist closes what may have been opened; a directory without a record is
// no container.
func NotExist(d *Dir, err error) error {
	if d != nil {
		d.Close()
	}
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotExist
	}
	return err
}
