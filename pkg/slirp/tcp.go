package slirp

import (
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// serveTCP takes connections until the listener is closed. Nothing else ends it:
// RootlessKit's loop ends with the first error, and a moment without descriptors
// then closes a port for good, silently.
func (d *driver) serveTCP(l *net.TCPListener, p Port) {
	for {
		c, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			d.full(err)
			time.Sleep(20 * time.Millisecond) // the client waits in the kernel's queue
			continue
		}
		d.take()
		go func() {
			defer d.release()
			d.relay(c, p)
		}()
	}
}

// tries, a millisecond longer apart each time, are for a server that is just
// starting: a fifth of a second in all, as with RootlessKit.
const tries = 20

// relay connects a client with the container. A client that has nobody behind
// the port learns it by a reset, the nearest to a refusal that is left.
func (d *driver) relay(c *net.TCPConn, p Port) {
	for i := range tries {
		inside, err := dialInner[*net.TCPConn](d.request(p))
		if err == nil {
			join(c, inside)
			return
		}
		time.Sleep(time.Duration(i+1) * time.Millisecond)
	}
	_ = c.SetLinger(0)
	_ = c.Close()
}

// join copies both ways until both are done. io.Copy between two of this type is
// splice(2). An end is passed on as what it is: of one direction, or a reset.
func join(a, b *net.TCPConn) {
	results := make(chan error, 2)
	pass := func(to, from *net.TCPConn) {
		_, err := io.Copy(to, from)
		if err == nil {
			_ = to.CloseWrite()
		}
		results <- err
	}
	go pass(a, b)
	go pass(b, a)
	err := <-results
	if err == nil {
		_ = <-results
	}
	if errors.Is(err, unix.ECONNRESET) {
		_ = a.SetLinger(0)
		_ = b.SetLinger(0)
	}
	_ = a.Close()
	_ = b.Close()
	if err != nil {
		_ = <-results
	}
}
