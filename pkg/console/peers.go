package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// arrival is what came of one connection, or of all of them: then err is not errBadConsole, and it is the last.
type arrival struct {
	master *os.File
	err    error
}

func (a arrival) close() {
	if a.master != nil {
		a.master.Close()
	}
}

// errBadConsole marks a connection that brought no console.
var errBadConsole = errors.New("no console on this connection")

// maxWaiting is how many may be connected without having sent: beyond it the oldest is sent away, so that they can
// neither use up our descriptors nor keep a console from being accepted.
const maxWaiting = 64

// peers are those who are connected and have not sent yet, oldest first. Each is waited for by itself: whoever can open
// the socket can also say nothing.
type peers struct {
	patience time.Duration
	mu       sync.Mutex
	conns    []*os.File
	over     bool
}

// arrivals accepts on listener until ctx is over. The channel is closed when nothing of it runs any more; whoever stops
// receiving ends ctx, and closes what still comes.
func (r Receiver) arrivals(ctx context.Context, listener *os.File) <-chan arrival {
	p := &peers{patience: r.Patience}
	if p.patience == 0 {
		p.patience = time.Minute
	}
	out := make(chan arrival)
	// A deadline in the past wakes who waits; closing would race with its use of the descriptor.
	stop := context.AfterFunc(ctx, func() {
		_ = listener.SetDeadline(time.Unix(1, 0))
		p.wake()
	})
	go func() {
		defer close(out)
		defer stop()
		p.acceptAll(ctx, listener, out)
	}()
	return out
}

// acceptAll receives from every sender until ctx ends or accepting fails, and returns when the last has been received.
func (p *peers) acceptAll(ctx context.Context, listener *os.File, out chan<- arrival) {
	var receiving sync.WaitGroup
	defer receiving.Wait()
	for {
		conn, err := accept(listener)
		switch {
		case ctx.Err() != nil:
			conn.Close() // (of a nil file: an error)
			return
		case exhausted(err):
			time.Sleep(20 * time.Millisecond) // until somebody's connection or console has ended
		case err != nil:
			tell(ctx, out, arrival{err: fmt.Errorf("accepting on the console socket: %w", err)})
			return
		default:
			p.add(conn)
			receiving.Go(func() { p.receive(ctx, conn, out) })
		}
	}
}

func tell(ctx context.Context, out chan<- arrival, a arrival) {
	select {
	case out <- a:
	case <-ctx.Done():
		a.close()
	}
}

func (p *peers) receive(ctx context.Context, conn *os.File, out chan<- arrival) {
	master, _, err := Receive(conn)
	p.remove(conn)
	switch {
	case err == nil:
		tell(ctx, out, arrival{master: master})
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		// it has said nothing, and nothing is said of it
	default:
		tell(ctx, out, arrival{err: fmt.Errorf("%w: %w", errBadConsole, err)})
	}
}

func (p *peers) add(conn *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(p.patience))
	if p.over {
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
	if len(p.conns) == maxWaiting {
		p.conns[0].Close()
		p.conns = slices.Delete(p.conns, 0, 1)
	}
	p.conns = append(p.conns, conn)
}

func (p *peers) remove(conn *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.Close()
	p.conns = slices.DeleteFunc(p.conns, func(c *os.File) bool { return c == conn })
}

// wake ends every wait, also of those who come after it.
func (p *peers) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	for _, conn := range p.conns {
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
}

// exhausted says whether an accept may succeed later: these errors are about what everybody has opened (accept(2)).
func exhausted(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
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
