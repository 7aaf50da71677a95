package console

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Session is a caller's terminal joined to a container's: the foreground of `run -t` and `exec -t`.
//
//	in  ──poll, read──▶ master ──▶ line discipline ──▶ payload
//	out ◀──────────────  read  ◀── line discipline ◀── payload
//
// Two copies, each in its own goroutine: a payload that reads nothing must not keep us from reading its output, and one
// whose output nobody takes must not keep us from typing ^C.
type Session struct {
	master  *os.File
	in, out *os.File
	restore func() error
	resized chan os.Signal
	wake    *os.File // an eventfd; ends a wait for in, whose read cannot be interrupted otherwise
	pausing          // see pause.go
	signal  atomic.Pointer[func(unix.Signal)]
	sinkErr error // what writing to out failed with; read after drained is closed
	typed   chan struct{}
	drained chan struct{}
	watched chan struct{}
	close   func() error
}

// Attach joins the terminal whose master it is given to in and out and returns at once. in may be nil. When in is a
// terminal it is put into raw mode; when it is not, its end is typed as end of file (see typeEOF). The container's terminal
// gets the size of the caller's, now and whenever that changes. Which of the two ends lines with "\r\n" [Direct] says; it is
// for the caller to make the container's terminal accordingly, before the payload runs.
//
// The session owns master from then on; after an error the caller still does, and the caller's terminal is as it was.
// Close must be deferred at once: it is what gives the terminal back, panics included. A process that dies of a signal
// it does not catch leaves a raw terminal behind, so catch those it forwards before attaching.
func Attach(master, in, out *os.File) (*Session, error) {
	return attach(master, in, out, typeEOF)
}

func attach(master, in, out *os.File, atEOF func(master *os.File, partial bool)) (*Session, error) {
	own, err := nonblocking(master)
	if err != nil {
		return nil, fmt.Errorf("attaching to the container's terminal: %w", err)
	}
	s := &Session{
		master: own, in: in, out: out,
		restore: func() error { return nil },
		resized: make(chan os.Signal, 1),
		typed:   make(chan struct{}),
		drained: make(chan struct{}),
		watched: make(chan struct{}),
	}
	if err := s.setUp(); err != nil {
		_ = s.restore()
		own.Close()
		return nil, fmt.Errorf("attaching to the container's terminal: %w", err)
	}
	s.close = sync.OnceValue(s.shutdown)
	master.Close()
	go s.copyOut(out)
	go s.copyIn(atEOF)
	return s, nil
}

// setUp does all that can fail, so that the goroutines start only for a session that will be closed.
func (s *Session) setUp() (err error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	s.wake = os.NewFile(uintptr(fd), "wake")
	if err := s.enter(); err != nil {
		s.wake.Close()
		return err
	}
	s.watchSize()
	return nil
}

// enter makes the caller's terminal raw.
func (s *Session) enter() error {
	if s.in == nil {
		return nil
	}
	restore, err := rawMode(s.in, !Direct(s.in, s.out))
	if err == nil {
		s.restore = restore
	}
	return err
}

// OnSignal has f called when a key is typed at the caller's terminal by which the payload's signals its foreground (termios(3),
// ISIG): SIGINT, SIGQUIT or SIGTSTP. It must not wait for the session.
func (s *Session) OnSignal(f func(unix.Signal)) { s.signal.Store(&f) }

// Front is the foreground process group of the container's terminal, in our pid namespace; 0 when there is none.
func (s *Session) Front() (group int) {
	_ = control(s.master, func(fd int) { group, _ = unix.IoctlGetInt(fd, unix.TIOCGPGRP) })
	return group
}

// watchSize follows whichever of in and out is a terminal. Listening begins before the first copy: a change in between
// would otherwise be lost until the next one.
func (s *Session) watchSize() {
	from := s.sized()
	if from == nil {
		close(s.watched)
		return // a terminal of no size, which programs take for 80x24
	}
	signal.Notify(s.resized, unix.SIGWINCH)
	// A size that cannot be copied is no reason to refuse a container its terminal.
	_ = copySize(from, s.master)
	go func() {
		defer close(s.watched)
		for range s.resized {
			_ = copySize(from, s.master)
		}
	}()
}

// sized is the terminal that says how large the container's is.
func (s *Session) sized() *os.File {
	for _, f := range []*os.File{s.in, s.out} {
		if f != nil && isTerminal(f) {
			return f
		}
	}
	return nil
}

// Wait returns when the container's terminal has ended, which is when its last holder closed it, and all its output is
// written; with the error of writing it, if any. A payload may live on without a terminal, and a terminal without the
// payload: wait for the process as well, then Close.
func (s *Session) Wait() error {
	<-s.drained
	return s.sinkErr
}

// Close writes what output is left, gives the caller's terminal back and hangs up the container's. Called after the
// payload has ended, it loses nothing the payload wrote and does not wait for whoever else still holds the terminal,
// nor for in. It can be called again and returns the same error, the first of: writing the output, restoring.
func (s *Session) Close() error { return s.close() }

func (s *Session) shutdown() error {
	signal.Stop(s.resized)
	close(s.resized)
	<-s.watched
	s.leave()
	_ = s.master.SetWriteDeadline(time.Unix(1, 0)) // a payload that reads nothing may hold the copy in a write
	<-s.typed
	_ = s.master.SetReadDeadline(time.Unix(1, 0)) // sends copyOut on to what is left
	<-s.drained
	err := s.restore()
	s.master.Close()
	s.wake.Close()
	if s.sinkErr != nil {
		return s.sinkErr
	}
	return err
}

// nonblocking is another descriptor of master's, served by the runtime's poller, so that a copy can be ended.
func nonblocking(master *os.File) (*os.File, error) {
	if _, err := termios(master); err != nil {
		return nil, err
	}
	fd, err := -1, error(nil)
	if e := control(master, func(old int) { fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 3) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), master.Name()), nil
}
