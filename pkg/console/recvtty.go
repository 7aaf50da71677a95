package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/outfile"
)

// Mode says what a Receiver does with the consoles it gets.
type Mode string

// The modes, by the names runc's recvtty has for them.
const (
	Single Mode = "single" // one console, joined to the receiver's own input and output
	Null   Mode = "null"   // any number of them; their output is read and dropped
)

// ParseMode takes what was typed after --mode.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Single, Null:
		return m, nil
	}
	return "", fmt.Errorf("unknown mode %q: use %s (one console, joined to this terminal) or %s (many, their output dropped)", s, Single, Null)
}

// Receiver is the other end of a console socket: what `create --console-socket` needs somebody to be.
type Receiver struct {
	Path    string   // of the socket; must not exist
	Mode    Mode     // zero is Single
	In      *os.File // typed into a single console; nil for none. Its end is not passed on: the console outlives it
	Out     *os.File // where a single console's output goes
	PIDFile string   // "" for none; written once the socket takes connections, so that its existence means ready

	// Patience is how long whoever connects may take to bring a console; 0 is a minute. A container connects when it is
	// created and brings it when its devices are there.
	Patience time.Duration
}

// RecvTTY listens on r.Path and serves consoles until the one of Single has ended, or ctx or SIGINT, SIGTERM, SIGHUP or
// SIGQUIT ends it. The socket is removed in every case. Being stopped is how Null ends and is no error there; in Single
// the error then names the signal, or is ctx's cause.
func RecvTTY(ctx context.Context, r Receiver) error {
	// Caught before the socket exists, else a signal in between leaves it behind.
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer stop()
	listener, remove, err := listen(r.Path)
	if err != nil {
		return fmt.Errorf("listening on console socket %q: %w", r.Path, err)
	}
	defer remove()
	defer listener.Close()
	if r.PIDFile != "" {
		if err := outfile.Replace(r.PIDFile, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return fmt.Errorf("writing the pid file: %w", err)
		}
	}
	if r.Mode == Null {
		return r.serveMany(ctx, listener)
	}
	return r.serveOne(ctx, listener, remove)
}

func (r Receiver) serveOne(ctx context.Context, listener *os.File, remove func()) error {
	master, err := r.first(ctx, listener)
	if err != nil {
		return err
	}
	listener.Close()
	remove() // a second sender is told at once that nobody listens
	if !Direct(r.In, r.Out) {
		err = printPlain(master)
	}
	var session *Session
	if err == nil {
		session, err = attach(master, r.In, r.Out, func(*os.File, bool) {})
	}
	if err != nil {
		master.Close()
		return err
	}
	return r.outlast(ctx, session)
}

// outlast returns when the session has ended, or leaves it when ctx does.
func (r Receiver) outlast(ctx context.Context, session *Session) (err error) {
	ended := make(chan error, 1)
	go func() {
		_ = session.Wait()
		ended <- session.Close()
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = r.leave(session)
	}
	if err != nil {
		return err
	}
	return context.Cause(ctx)
}

// leave ends a session that is stopped. Its console's sender has the same open file and can make it blocking behind our
// back (F_SETFL is the file's, not the descriptor's); what waits in a read then ends with this process, and the caller's
// terminal is given back all the same.
func (r Receiver) leave(s *Session) error {
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(grace):
		return s.restore()
	}
}

// first is the console of Single: the first that arrives, whoever else has connected meanwhile and says nothing. Whoever
// ends without a console is a container that did not start, which the caller waits for to hear.
func (r Receiver) first(ctx context.Context, listener *os.File) (*os.File, error) {
	waiting, cancel := context.WithCancel(ctx)
	arrivals := r.arrivals(waiting, listener)
	got, ok := <-arrivals
	cancel()
	for more := range arrivals {
		more.close()
	}
	switch {
	case ok && got.err == nil:
		return got.master, nil
	case ok:
		return nil, got.err
	}
	return nil, fmt.Errorf("no console arrived: %w", context.Cause(ctx))
}

// serveMany drops what its consoles print. Somebody has to read it: a payload whose terminal is full stops.
func (r Receiver) serveMany(ctx context.Context, listener *os.File) error {
	var readers sync.WaitGroup
	reading, cancel := context.WithCancel(ctx)
	arrivals := r.arrivals(reading, listener)
	defer func() {
		cancel()
		for more := range arrivals {
			more.close()
		}
		waitAtMost(&readers, grace)
	}()
	slots := make(chan struct{}, maxConsoles)
	for a := range arrivals {
		switch {
		case errors.Is(a.err, errBadConsole):
			continue // one broken sender is no reason to leave the others without a terminal
		case a.err != nil:
			return a.err
		}
		select {
		case slots <- struct{}{}:
			readers.Go(func() { discard(reading, a.master); <-slots })
		default:
			a.close()
		}
	}
	return nil
}

// maxConsoles bounds the threads: a sender can make the file of its console blocking, and Go ends a process with 10,000
// threads (debug.SetMaxThreads).
const maxConsoles = 4096

// grace is how long what was stopped may take to end.
const grace = time.Second

func waitAtMost(all *sync.WaitGroup, most time.Duration) {
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(most):
	}
}

func discard(ctx context.Context, master *os.File) {
	own, err := nonblocking(master)
	master.Close()
	if err != nil {
		return
	}
	defer own.Close()
	defer context.AfterFunc(ctx, func() { _ = own.SetDeadline(time.Unix(1, 0)) })()
	_, _ = io.Copy(io.Discard, own)
}

// listen makes the socket and returns what removes it, once, and only while the name is still this socket.
func listen(path string) (listener *os.File, remove func(), err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	listener = os.NewFile(uintptr(fd), path)
	dir, name, err := outfile.Find(path)
	if err != nil {
		listener.Close()
		return nil, nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)}); err != nil {
		listener.Close()
		dir.Close()
		if errors.Is(err, unix.EADDRINUSE) {
			err = fmt.Errorf("the file exists; remove it when no other receiver uses it: %w", err)
		}
		return nil, nil, err
	}
	remove = sync.OnceFunc(removerOf(dir, name))
	if err = unix.Listen(fd, 128); err != nil {
		remove()
		listener.Close()
		return nil, nil, err
	}
	return listener, remove, nil
}

func removerOf(dir *os.File, name string) func() {
	var bound, now unix.Stat_t
	look := func(st *unix.Stat_t) error { return unix.Fstatat(int(dir.Fd()), name, st, unix.AT_SYMLINK_NOFOLLOW) }
	err := look(&bound)
	return func() {
		if err == nil && look(&now) == nil && now.Dev == bound.Dev && now.Ino == bound.Ino {
			_ = unix.Unlinkat(int(dir.Fd()), name, 0)
		}
		dir.Close()
	}
}
