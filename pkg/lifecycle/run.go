package lifecycle

import (
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"sandbox/pkg/console"
	"sandbox/pkg/interrupt"
)

// Run creates and starts a container in one. In the background and with a
// service manager that wants to know, it returns when the payload is ready.
func (r *Runtime) Run(o Options) (*Container, error) {
	c, err := r.spawn(o, true)
	if err != nil {
		return nil, err
	}
	if err := r.poststart(&c.Record); err != nil {
		c.notify.close()
		c.kill()
		r.Remove(c)
		return nil, err
	}
	if !o.Attached {
		r.Signals.Stop() // the container runs, whatever becomes of who waits for a word of it
		c.tellReady(c.Pid)
	} else if c.notify != nil {
		// The service's process stays this one: it passes signals on, and its
		// exit status is the payload's.
		go c.tellReady(os.Getpid())
	}
	return c, nil
}

// tellReady only warns: the container runs, whoever has been told of it.
func (c *Container) tellReady(main int) {
	if err := c.notify.relay(&c.Record, main, main == os.Getpid()); err != nil {
		c.run.Warn(err.Error())
	}
}

// Signals are those that reach this process while it stands for a payload, or makes one.
type Signals = *interrupt.Signals

// CatchSignals begins to collect signals for Runtime.Signals. It comes before Run, so that one that
// arrives while the container is made is not lost on it: one that ends programs ends the start, as long as
// there is no payload. With keep (Options.KeepSignals) those that the caller ignores (nohup) are none of them: we go on
// ignoring them, and so does the payload.
func CatchSignals(keep bool) (Signals, error) { return interrupt.Catch(forwarded(keep)...) }

// CatchEndings is CatchSignals for what goes on without us once it is made.
func CatchEndings() (Signals, error) { return interrupt.Catch() }

// Interrupted is the exit status of a command that a signal has ended, 128+n for signal n; 0 for any other error.
func Interrupted(err error) int {
	var e *interrupt.Error
	if errors.As(err, &e) {
		return 128 + int(e.Signal)
	}
	return 0
}

// Relay says how a payload gets to know of the signals of the process that stands for it.
type Relay struct {
	// Job: the payload is to be what a job is to a shell. A signal that ends it goes to its whole process group, as a
	// terminal and timeout(1) send it, for the payload alone may be a shell that waits for a command. And ^Z on a terminal
	// of its own stops this process with it.
	Job bool
	// Terminal is the caller's, while the payload has one of its own; nil: it has none.
	Terminal *console.Session
}

// Forward sends collected and coming signals on to the payload. Of those of job
// control the shell means the process it started: to be stopped stops us, after the
// payload. SIGCHLD and SIGURG are about ourselves. It comes before Wait.
func (c *Container) Forward(signals Signals, relay Relay) {
	c.relay = relay
	switch t := relay.Terminal; {
	case t == nil:
	case c.status != nil:
		go c.hangUp(t)
	case relay.Job:
		t.OnSignal(c.typed)
	}
	signals.Pass(func(s unix.Signal) {
		switch s {
		case unix.SIGTSTP:
			c.stop()
			return
		case unix.SIGCONT:
			c.retake()
		}
		c.pass(s) // the payload may be gone; Wait will tell
	})
	c.unhurried = func() {
		for n := unix.Signal(35); n <= 64; n++ { // the first three are the C library's own, and not the Go runtime's to give
			signals.Add(n)
		}
	}
}

func forwarded(keep bool) []os.Signal {
	var list []os.Signal
	// SIGPROF as well, but the Go runtime gives it to nobody.
	for n := unix.Signal(1); n < 32; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE,
			unix.SIGWINCH, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		default:
			if !keep && n != unix.SIGTSTP || !signal.Ignored(n) { // SIGTSTP: by a shell without job control
				list = append(list, n)
			}
		}
	}
	return list
}

// kill ends a container of our own, with the init that is its parent.
func (c *Container) kill() {
	_ = unix.Kill(c.child.Pid, unix.SIGKILL) // our child, not yet waited for
	_, _ = c.Wait()
}
