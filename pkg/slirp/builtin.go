package slirp

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/rootless-containers/rootlesskit/v2/pkg/port/builtin/msg"
	"golang.org/x/sys/unix"
)

// driver publishes ports. Its outer half, which listens and copies, is ours; the
// inner one, which connects, is RootlessKit's and a process of ours inside.
// RootlessKit's outer half could not stay: see serveTCP and udpPort.
type driver struct {
	h      *Helper
	tcp    []netip.Addr  // of the container, in the order in which they are tried
	inside []netip.Addr  // the same for UDP
	slots  chan struct{} // one for each connection that there are descriptors for

	mu    sync.Mutex
	inner *process
	open  map[Port]io.Closer
	udp   int       // how many of them are UDP
	said  time.Time // when full was said
}

// Of the descriptors that this process may have, some are its own, and a
// connection takes six: two sockets, and a pipe for each direction (splice(2)).
const (
	ownDescriptors = 64
	perConnection  = 8
)

func (h *Helper) newDriver() (*driver, error) {
	inner, err := h.startInner()
	if err != nil {
		return nil, err
	}
	d := &driver{h: h, tcp: tcpInside(h.Address()), inside: udpInside(h.Address()), inner: inner, open: make(map[Port]io.Closer)}
	d.slots = make(chan struct{}, connections(descriptors()))
	go d.keep()
	return d, nil
}

// addToDriver starts the driver with its first port.
func (h *Helper) addToDriver(p Port, held *os.File) error {
	if h.driver == nil {
		d, err := h.newDriver()
		if err != nil {
			held.Close()
			return err
		}
		h.driver = d
	}
	return h.driver.add(p, held)
}

func (h *Helper) removeFromDriver(p Port) error {
	h.driver.remove(p)
	return nil
}

func connections(descriptors uint64) int {
	return max(4, (int(min(descriptors, 1<<20))-ownDescriptors)/perConnection)
}

// descriptors is the limit of this process; Go has raised it to the hard one.
func descriptors() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return l.Cur
}

// keep starts the inner half again when it has ended; clients wait meanwhile.
func (d *driver) keep() {
	var r retry
	for {
		inner := d.half()
		<-inner.gone
		if d.h.ending() {
			return
		}
		d.h.say("the port driver's half inside has ended (%v): starting it again", inner.how)
		if !d.again(&r, time.Since(inner.began)) {
			return
		}
	}
}

func (d *driver) again(r *retry, lived time.Duration) bool {
	for {
		pause, ok := r.next(lived)
		if !ok {
			d.h.unpublish("the port driver's half inside does not stay")
			return false
		}
		time.Sleep(pause)
		inner, err := d.h.startInner()
		if err == nil {
			d.mu.Lock()
			d.inner = inner
			d.mu.Unlock()
			return true
		}
		if d.h.ending() {
			return false
		}
		d.h.say("%v", err)
		lived = 0
	}
}

func (d *driver) half() *process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inner
}

// add begins to serve a port on a socket that listens, which it takes.
func (d *driver) add(p Port, held *os.File) error {
	defer held.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.Proto == "udp" {
		c, err := net.FilePacketConn(held)
		if err != nil {
			return err
		}
		u := d.newUDP(c.(*net.UDPConn), p)
		d.open[p], d.udp = u, d.udp+1
		go u.serve()
		return nil
	}
	l, err := net.FileListener(held)
	if err != nil {
		return err
	}
	d.open[p] = l
	go d.serveTCP(l.(*net.TCPListener), p)
	return nil
}

// remove ends a port. TCP connections that are there go on; a UDP port's clients
// have nothing but the port.
func (d *driver) remove(p Port) {
	d.mu.Lock()
	c := d.open[p]
	delete(d.open, p)
	if p.Proto == "udp" && c != nil {
		d.udp--
	}
	d.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

func connectTo(p Port, to netip.Addr) *msg.Request {
	return &msg.Request{Type: msg.RequestTypeConnect, Proto: p.Proto, IP: to.String(), Port: p.Container}
}

// take waits until there are descriptors for one more connection.
func (d *driver) take() {
	select {
	case d.slots <- struct{}{}:
	default:
		d.full(fmt.Errorf("%d connections", cap(d.slots)))
		d.slots <- struct{}{}
	}
}

func (d *driver) release() { <-d.slots }

// shareUDP is how many clients one UDP port may know.
func (d *driver) shareUDP() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(1, min(maxUDP, cap(d.slots))/max(1, d.udp))
}

// full is said once a minute.
func (d *driver) full(why error) {
	d.mu.Lock()
	again := time.Since(d.said) < time.Minute
	if !again {
		d.said = time.Now()
	}
	d.mu.Unlock()
	if !again {
		d.h.say("published ports are at their limit (%v): more clients wait; the limit of open files, ulimit -Hn, is %d", why, descriptors())
	}
}
