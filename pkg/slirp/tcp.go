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
		inside, err := d.dialTCP(p)
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
	type end struct {
		to  *net.TCPConn
		err error
	}
	ends := make(chan end, 2)
	pass := func(to, from *net.TCPConn) {
		_, err := io.Copy(to, from)
		if err == nil {
			_ = to.CloseWrite()
		}
		ends <- end{to, err}
	}
	go pass(a, b)
	go pass(b, a)
	closeBoth := func() {
		_ = a.Close()
		_ = b.Close()
	}
	first := <-ends
	if errors.Is(first.err, unix.ECONNRESET) {
		_ = a.SetLinger(0)
		_ = b.SetLinger(0)
	}
	if first.err != nil {
		closeBoth() // which ends the other direction
	}
	// Only onward: what went the other way to its end may still be on its way.
	if second := <-ends; errors.Is(second.err, unix.ECONNRESET) {
		_ = second.to.SetLinger(0)
	}
	closeBoth()
}
