package lifecycle

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"sandbox/pkg/console"
	"sandbox/pkg/proc"
	"sandbox/pkg/world"
)

// A foreground run is a job of the caller's shell, and its payload is not: it is in a session of its own. What the shell and
// the keys of the caller's terminal do with the job is done with the payload here.

// TTY says how a payload's terminal is tied to its caller.
type TTY = world.TTY

// job is what is known of it.
type job struct {
	relay    Relay
	stopping sync.Mutex // held while the payload is stopped, or about to be, because we are
}

// pass sends the payload a signal that was sent to us.
func (c *Container) pass(sig unix.Signal) {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP:
		if c.relay.Job && c.tell(sig) == nil {
			return
		}
	}
	_ = signalTo(&c.Record, sig)
}

// stop stops the payload and ourselves until somebody lets us go on. The payload is
// in a session of its own, out of the shell's reach: it would read on from the
// terminal that the shell reads its next command from. Its process group is what
// the terminal would have stopped.
func (c *Container) stop() {
	t := c.relay.Terminal
	c.stopping.Lock()
	defer c.stopping.Unlock()
	switch lonely := orphaned(); {
	case lonely && t == nil:
		return
	case !lonely:
		_ = c.tell(unix.SIGSTOP) // SIGTSTP is nothing to the first process of a pid namespace
		if t != nil {
			_ = t.Pause()
		}
		// Of all threads this one, which then is back from the call when we go on.
		runtime.LockOSThread()
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		runtime.UnlockOSThread()
	}
	if t != nil {
		_ = t.Resume()
	}
	_ = c.tell(unix.SIGCONT)
}

// tell signals the payload's process group, through a pidfd: its number may be another's as soon as init has waited for it.
func (c *Container) tell(sig unix.Signal) error {
	payload, err := c.Payload().Open()
	if err != nil {
		return err
	}
	defer payload.Close()
	err = unix.PidfdSendSignal(int(payload.Fd()), sig, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.9, where a group has no other name; it was there a moment ago
		err = unix.Kill(-c.Pid, sig)
	}
	return err
}

// retake makes the caller's terminal raw again after somebody has stopped us by SIGSTOP, which cannot be caught: the shell
// has set it for itself meanwhile.
func (c *Container) retake() {
	if t := c.relay.Terminal; t != nil {
		_ = t.Pause()
		_ = t.Resume()
	}
}

// stopped is told by the container's init that the payload has been stopped on its own terminal, by ^Z or as it likes: the
// caller's job stops with it.
func (c *Container) stopped() {
	c.stopping.Lock() // where we have stopped it ourselves, it goes on by then
	st, err := proc.Look(c.Pid)
	c.stopping.Unlock()
	if err == nil && st.State == 'T' && c.relay.Terminal != nil {
		c.suspend()
	}
}

// typed is told that ^Z was typed on the terminal of a payload without an init. The kernel stops nothing then: a payload
// that is the first process of its pid namespace, or whose parent is in another session, is not meant to be stopped by
// keys. Where it does not catch or ignore them, and no shell in it has another job in the foreground, the whole job is
// stopped from here.
func (c *Container) typed(sig unix.Signal) {
	if sig == unix.SIGTSTP && c.relay.Terminal.Front() == c.Pid && !proc.Heeds(c.Pid, sig) {
		go c.suspend() // the session waits for whoever it tells
	}
}

// hangUp tells the payload of an init when its terminal has gone because the caller's has, or the other end of a pipe: the
// kernel tells the first process of the session only, and of a pid namespace's first one SIGHUP is no end.
func (c *Container) hangUp(t *console.Session) {
	if t.Wait() != nil {
		_ = c.tell(unix.SIGHUP)
		_ = c.tell(unix.SIGCONT)
	}
}

// suspend does what ^Z would have done at the caller's terminal: it stops our whole process group, in which may be a script
// that waits for us. The shell must find its terminal as it was.
func (c *Container) suspend() {
	_ = c.relay.Terminal.Pause()
	if signal.Ignored(unix.SIGTSTP) || unix.Kill(0, unix.SIGTSTP) != nil {
		_ = c.relay.Terminal.Resume()
		_ = c.tell(unix.SIGCONT)
	}
}

// orphaned says whether nobody in our session could let us go on: the kernel does not
// stop such a process group for SIGTSTP (setpgid(2)).
func orphaned() bool {
	ours := unix.Getpgrp()
	parent := os.Getppid()
	for parent > 1 {
		group, err := unix.Getpgid(parent)
		if err != nil || group != ours {
			break
		}
		parent = parentOf(parent)
	}
	session, err1 := unix.Getsid(0)
	theirs, err2 := unix.Getsid(parent)
	return parent <= 0 || err1 != nil || err2 != nil || session != theirs
}
