package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

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

// Kill signals the container's process, or with all every process in it. To kill the first one is to end all of a container
// that has a pid namespace of its own; of one that has not, SIGKILL reaches all that are in its group, as with runc, also
// when the first one has gone.
func (r *Runtime) Kill(id string, sig unix.Signal, all bool) error {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return err
	}
	defer d.Close()
	if sig == unix.SIGKILL {
		return r.killEnd(d, rec, all)
	}
	switch {
	case all && r.hasGroup(d, rec):
		return r.signalGroup(d, rec, sig)
	case all:
		return signalAll(rec, sig)
	}
	return signalTo(rec, sig)
}

// killEnd is Kill with SIGKILL. What is frozen goes on, as with runc: whoever waits for a process there would wait for ever.
func (r *Runtime) killEnd(d *state.Dir, rec *state.Record, all bool) error {
	everyone, lives := all || !rec.OwnPID, false
	var rest error
	switch g := r.Groups.Group(rec.Cgroup.Path); {
	case r.hasGroup(d, rec):
		if everyone {
			lives, _ = g.Populated()
			rest = g.Kill()
		}
		defer func() {
			if r.paused(rec) {
				_ = g.Thaw()
			}
		}()
	case everyone:
		rest = signalAll(rec, unix.SIGKILL)
	}
	err := kill(rec) // they may have left the group
	if errors.Is(err, ErrNotRunning) && (all || lives) {
		err = nil // as runc: to end all of nothing is no error
	}
	return errors.Join(rest, err)
}

// signalTo signals the container's process.
func signalTo(r *state.Record, sig unix.Signal) error {
	err := r.Payload().Signal(sig)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal the container: %w", err)
	}
	return nil
}

// openPayload returns a pidfd of the recorded process, ErrNotRunning when it is gone.
func openPayload(r *state.Record) (*os.File, error) {
	f, err := r.Payload().Open()
	if errors.Is(err, unix.ESRCH) {
		return nil, ErrNotRunning
	}
	return f, err
}

// signalAll signals every process of a container without a cgroup. Where it has a pid
// namespace of its own those are the processes in it; otherwise only the first
// and what it has started are known to be its own.
func signalAll(r *state.Record, sig unix.Signal) error {
	if r.Ended() {
		return nil // as runc: nothing is left to signal
	}
	if err := proc.SignalEach(func() ([]int, error) { return processes(r) }, sig); err != nil {
		return fmt.Errorf("signal the container: %w", err)
	}
	return nil
}
