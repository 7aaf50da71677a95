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
	// A deadline in the past wakes an accept that waits; closing would race with its use of the descriptor.
	defer context.AfterFunc(ctx, func() { _ = listener.SetDeadline(time.Unix(1, 0)) })()
	if r.PIDFile != "" {
		if err := outfile.Replace(r.PIDFile, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return fmt.Errorf("writing the pid file: %w", err)
		}
	}
	if r.Mode == Null {
		return serveMany(ctx, listener)
	}
	return r.serveOne(ctx, listener, remove)
}

func (r Receiver) serveOne(ctx context.Context, listener *os.File, remove func()) error {
	master, err := acceptConsole(ctx, listener)
	if err != nil {
		return err
	}
	listener.Close()
	remove() // a second sender is told at once that nobody listens
	session, err := attach(master, r.In, r.Out, func(*os.File, bool) {})
	if err != nil {
		master.Close()
		return err
	}
	// Ends the wait when stopped; when it was not, this is the close that every session needs.
	defer context.AfterFunc(ctx, func() { _ = session.Close() })()
	_ = session.Wait()
	if err := session.Close(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// serveMany drops what its consoles print. Somebody has to read it: a payload whose terminal is full stops.
func serveMany(ctx context.Context, listener *os.File) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	// Its own context, for an error below; ctx itself says why an accept was woken, a child of it learns that only later.
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		master, err := acceptConsole(ctx, listener)
		switch {
		case ctx.Err() != nil:
			if master != nil {
				master.Close()
			}
			return nil
		case errors.Is(err, errBadConsole):
			continue // one broken sender is no reason to leave the others without a terminal
		case err != nil:
			return err
		}
		readers.Go(func() { discard(reading, master) })
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

// errBadConsole marks a connection that brought no console.
var errBadConsole = errors.New("no console on this connection")

func acceptConsole(ctx context.Context, listener *os.File) (*os.File, error) {
	conn, err := accept(listener)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no console arrived: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("accepting on the console socket: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	master, _, err := Receive(conn)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadConsole, err)
	}
	return master, nil
}

func accept(listener *os.File) (*os.File, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, acceptErr := -1, error(nil)
	err = raw.Read(func(l uintptr) bool {
		for {
			fd, _, acceptErr = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			// ECONNABORTED: the sender gave up while it waited; the next one may not.
			if !errors.Is(acceptErr, unix.EINTR) && !errors.Is(acceptErr, unix.ECONNABORTED) {
				return !errors.Is(acceptErr, unix.EAGAIN)
			}
		}
	})
	if err = errors.Join(err, acceptErr); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "console connection"), nil
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
