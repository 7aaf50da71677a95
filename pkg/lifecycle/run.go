package lifecycle

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Run creates and starts a container in one.
func (r *Runtime) Run(o Options) (*Container, error) {
	c, err := r.spawn(o, true)
	if err != nil {
		return nil, err
	}
	r.hooks("poststart", c.Hooks, &c.Record, Running)
	return c, nil
}

// Forward sends the signals that reach this process on to the payload, until
// stop is called. Those of job control stay with us: the shell means the
// process it started. SIGCHLD and SIGURG are about ourselves.
func (c *Container) Forward() (stop func()) {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, forwarded()...)
	go func() {
		for s := range signals {
			_ = c.signal(s.(unix.Signal)) // the payload may be gone; Wait will tell
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

func forwarded() []os.Signal {
	var list []os.Signal
	for n := unix.Signal(1); n < 32; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE,
			unix.SIGWINCH, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, 32, 33, 34:
		default:
			list = append(list, n)
		}
	}
	return list
}
