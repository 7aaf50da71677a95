package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// listen makes the socket on which a container waits to be started. Its place
// in the container's directory, which is the caller's alone, is its only
// protection and its only address.
func listen(d *state.Dir) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the start socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "start socket")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: d.Inside(state.StartFile)}); err != nil {
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
// is running, or says why it cannot. With the socket of a service manager in
// notify ("" for none) it returns when the program has said that it is ready, or
// has ended.
func (r *Runtime) Start(id, notify string) error {
	d, rec, err := r.Root.Lock(id)
	if err != nil {
		return state.NotExist(d, err)
	}
	n, err := r.start(d, rec, notify)
	d.Close() // whoever waits for a service may have to stop it
	if err != nil {
		return err
	}
	return n.relay(rec, rec.Pid, false)
}

func (r *Runtime) start(d *state.Dir, rec *state.Record, notify string) (*notifier, error) {
	if err := d.Recall(rec); err != nil {
		return nil, err
	}
	switch r.statusIn(d, rec) {
	case state.Stopped:
		return nil, errors.New("cannot start a container that has stopped")
	case state.Paused:
		return nil, errors.New("cannot start a paused container: resume it first")
	case state.Running:
		return nil, errors.New("cannot start an already running container")
	}
	if s, err := proc.Look(rec.Pid); err == nil && s.Stopped() {
		return nil, fmt.Errorf("cannot start a container whose process a signal has stopped: let it go on first (sandbox kill %s CONT)", rec.ID)
	}
	// What is noted when it runs can be: nothing else would keep it from starting.
	if err := unix.Faccessat(d.FD(), ".", unix.W_OK, 0); err != nil {
		return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root.Path}, fmt.Errorf("change the container's state: %w", err))
	}
	n, err := listenNotify(d, notify)
	if err != nil {
		return nil, err
	}
	if n == nil && notify != "" {
		r.Warn("NOTIFY_SOCKET: the container was created without one and cannot say that it is ready")
	}
	if err := r.startHooks(rec); err != nil {
		n.close()
		return nil, r.destroy(d, rec, err)
	}
	if err := open(d, rec); err != nil {
		n.close()
		return nil, err
	}
	if err := r.poststart(rec); err != nil {
		n.close()
		return nil, r.destroy(d, rec, err)
	}
	return n, nil
}

// destroy ends a container whose hook has failed: it is stopped, removed, and
// its poststop hooks run (runtime.md, "Lifecycle", steps 7 and 9).
func (r *Runtime) destroy(d *state.Dir, rec *state.Record, because error) error {
	if err := end(rec, endPatience); err != nil {
		return fmt.Errorf("%w; and %w", because, err)
	}
	if err := r.discard(d, rec, r.Warn); err != nil {
		r.Warn(err.Error())
	}
	r.poststop(rec)
	return because
}

// open sends the byte that opens the last gate, and hears what came of it.
func open(d *state.Dir, rec *state.Record) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reach the container: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: d.Inside(state.StartFile)})
	if err == nil {
		_, err = unix.Write(fd, []byte{1})
	}
	if err != nil {
		return fmt.Errorf("reach the container: %w", err)
	}
	err = userns.Outcome(fd, rec.Pid, func(f *os.File) error { return filter{rec.Seccomp}.relay(f, rec.Pid, rec, state.Created) })
	// The socket's presence is what tells created from running.
	_ = unix.Unlinkat(d.FD(), state.StartFile, 0)
	var step *userns.Error
	if program := rec.Process().Args[0]; errors.As(err, &step) && step.Act == confine.ExecWords(program) {
		return execError(program, step.Errno, true) // the search for it was before the wait
	}
	return err
}

func itoa(n int) string { return strconv.Itoa(n) }
