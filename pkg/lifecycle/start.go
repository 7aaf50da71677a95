package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/userns"
)

// listen makes the socket on which a container waits to be started. Its place
// in the container's directory, which is the caller's alone, is its only
// protection and its only address.
func listen(d *dir) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the start socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "start socket")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: d.inside(startFile)}); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the start socket: %w", err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the start socket: %w", err)
	}
	return f, nil
}

// Start lets a created container run its program. It returns when the program
// is running, or says why it cannot.
func (r *Runtime) Start(id string) error {
	d, rec, err := r.lock(id)
	if err != nil {
		return notExist(d, err)
	}
	defer d.close()
	switch r.statusIn(d.path, rec) {
	case Stopped:
		return errors.New("cannot start a container that has stopped")
	case Paused:
		return errors.New("cannot start a paused container: resume it first")
	case Running:
		return errors.New("cannot start an already running container")
	}
	if err := r.startHooks(rec); err != nil {
		return r.destroy(d, rec, err)
	}
	if err := open(d, rec); err != nil {
		return err
	}
	if err := r.poststart(rec); err != nil {
		return r.destroy(d, rec, err)
	}
	return nil
}

// destroy ends a container whose hook has failed: it is stopped, removed, and
// its poststop hooks run (runtime.md, "Lifecycle", steps 7 and 9).
func (r *Runtime) destroy(d *dir, rec *Record, because error) error {
	if err := rec.end(); err != nil {
		return fmt.Errorf("%w; and %w", because, err)
	}
	r.discard(d, rec)
	r.poststop(rec.Hooks, rec)
	return because
}

// open sends the byte that opens the last gate, and hears what came of it.
func open(d *dir, rec *Record) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reach the container: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: d.inside(startFile)})
	if err == nil {
		_, err = unix.Write(fd, []byte{1})
	}
	if err != nil {
		return fmt.Errorf("reach the container: %w", err)
	}
	err = userns.Outcome(fd, func(f *os.File) error { return filter{rec.Seccomp}.relay(f, rec.Pid, rec, Created) })
	// The socket's presence is what tells created from running.
	_ = os.Remove(filepath.Join(d.path, startFile))
	var step *userns.Error
	if errors.As(err, &step) {
		if e := execError(step); e != nil {
			return e
		}
	}
	return err
}

// notExist closes what lock may have opened; a directory without a record is
// no container.
func notExist(d *dir, err error) error {
	if d != nil {
		d.close()
	}
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotExist
	}
	return err
}

func itoa(n int) string { return strconv.Itoa(n) }
