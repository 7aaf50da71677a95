package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// ErrNotRunning is said of a container that has ended. Clients of OCI
// runtimes match on the words.
var ErrNotRunning = errors.New("container not running")

// Signal reads a signal as people and programs write it: 15, TERM, SIGTERM.
func Signal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > 64 {
			return 0, fmt.Errorf("unknown signal %q", s)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	if rt, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		if n, err := strconv.Atoi("0" + strings.TrimPrefix(rt, "+")); err == nil && n <= 30 {
			return unix.Signal(34 + n), nil
		}
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}

// Kill signals the container's process, or with all every process in it.
func (r *Runtime) Kill(id string, sig unix.Signal, all bool) error {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return err
	}
	defer d.Close()
	if all && r.hasGroup(d, rec) {
		return r.killGroup(d, rec, sig)
	}
	if all {
		return killAll(rec, sig)
	}
	err = signalTo(rec, sig)
	if err == nil && sig == unix.SIGKILL {
		r.thawInit(rec)
	}
	return err
}

// thawInit lets the init of a paused container go on, whose payload has been
// killed: it could not end with it, and whoever waits for it would wait for
// ever. The payload of one without an init takes the rest along, frozen or not.
func (r *Runtime) thawInit(rec *state.Record) {
	if rec.Init != 0 && r.paused(rec) {
		_ = r.Groups.Group(rec.Cgroup.Path).Thaw()
	}
}

// signalTo goes through a pidfd whose process was looked at after it was opened:
// the pid may have become somebody else's at any time before.
func signalTo(r *state.Record, sig unix.Signal) error {
	fd, err := openPayload(r)
	if err != nil {
		return err
	}
	defer fd.Close()
	if err := unix.PidfdSendSignal(int(fd.Fd()), sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return ErrNotRunning
		}
		return fmt.Errorf("signal the container: %w", err)
	}
	return nil
}

// openPayload returns a pidfd of the recorded process, ErrNotRunning when it is gone.
func openPayload(r *state.Record) (*os.File, error) {
	f, err := r.Payload().Open()
	if err != nil {
		return nil, ErrNotRunning
	}
	return f, nil
}

// killAll signals every process of a container without a cgroup. Where it has a pid
// namespace of its own those are the processes in it; otherwise only the first
// is known to be its own.
func killAll(r *state.Record, sig unix.Signal) error {
	if !r.Alive() {
		return nil // as runc: nothing is left to signal
	}
	pids, err := processes(r)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal process %d of the container: %w", pid, err)
		}
	}
	return nil
}

// endPatience is how long a killed process may take to be gone.
const endPatience = 10 * time.Second

// end kills the container's process and waits until it is dead, with that much
// patience. An init ends with it.
func end(r *state.Record, patience time.Duration) error {
	fd, err := openPayload(r)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer fd.Close()
	if err := unix.PidfdSendSignal(int(fd.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the container: %w", err)
	}
	if !proc.Ends(int(fd.Fd()), patience) {
		return fmt.Errorf("process %d of the container does not end within %s after SIGKILL", r.Pid, patience)
	}
	return nil
}
