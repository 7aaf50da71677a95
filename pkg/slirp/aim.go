package slirp

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var loopback4, loopback6 = netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()

// tcpInside are the addresses of a container at which a server may listen, in the order in which they are tried. The
// container's own is first: a server on all addresses then sees that one as the client's, and not loopback, which it
// may trust (CVE-2021-20199).
func tcpInside(own netip.Addr) []netip.Addr {
	return slices.Compact([]netip.Addr{own, loopback4, loopback6})
}

// dialTCP connects to the first address inside at which somebody listens. A server on all addresses may begin to listen
// when its first one has just refused: so the first one is asked again before a connection to loopback is used.
func (d *driver) dialTCP(p Port) (*net.TCPConn, error) {
	var failed []error
	for i, to := range d.tcp {
		c, err := dialInner[*net.TCPConn](connectTo(p, to))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if i == 0 {
			return c, nil
		}
		if first, err := dialInner[*net.TCPConn](connectTo(p, d.tcp[0])); err == nil {
			_ = c.Close()
			return first, nil
		}
		return c, nil
	}
	return nil, errors.Join(failed...)
}

// udpInside is the same for UDP. The socket keeps the container's own address as its source, which no server can take for
// loopback, so there is no ::1.
func udpInside(own netip.Addr) []netip.Addr {
	return slices.Compact([]netip.Addr{own, loopback4})
}

// aim has the packets of a UDP client go to the first address inside that does not refuse them. Another one than the first
// is taken as long as it answers only: a server on all addresses answers from the container's own, and if it began to listen
// just after that one had refused, it would be asked at loopback and its answers would never arrive.
type aim struct {
	mu   sync.Mutex
	conn *net.UDPConn
	list []netip.Addr
	port uint16
	at   int  // in the list
	sure bool // the address takes packets: none is kept

	kept  [][]byte  // that nobody has refused yet
	size  int       // of them all, bytes
	since time.Time // when the first of them was sent, or the last answer came
}

// A refusal comes at once, so an address without one takes packets. What is kept until then is little, as a client may
// be anybody.
const (
	refusalTime = time.Second
	maxKept     = 8 << 10
)

// send sends a packet. An error of an earlier one comes in its stead (udp(7)).
func (a *aim) send(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep(b)
	if _, err := a.conn.Write(b); errors.Is(err, unix.ECONNREFUSED) {
		a.next(b)
	}
}

// turnedAway is called for a refusal that came when packets went to address at; they may go to another one since.
func (a *aim) turnedAway(at int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at == a.at {
		a.next(nil)
	}
}

// now is the place of the address to which packets go.
func (a *aim) now() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at
}

// answered is called for a packet of the server's.
func (a *aim) answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(true)
	a.since = time.Now()
}

// begin forgets what is kept.
func (a *aim) begin(sure bool) { a.sure, a.kept, a.size = sure, nil, 0 }

// keep keeps a packet until it is known whether it is refused.
func (a *aim) keep(b []byte) {
	if late := time.Since(a.since) > refusalTime; late && a.at != 0 {
		a.begin(false)
		a.turn(0)
	} else if late && len(a.kept) > 0 {
		a.begin(true)
	}
	if a.sure || len(a.list) == 1 || a.size+len(b) > maxKept {
		return
	}
	if len(a.kept) == 0 {
		a.since = time.Now()
	}
	a.kept, a.size = append(a.kept, slices.Clone(b)), a.size+len(b)
}

// next sends what is kept to the next address, and so on; when all have refused it, it is lost, as any datagram that
// nobody waits for. Where an address took packets before, unsent alone is left, which may be taken again.
func (a *aim) next(unsent []byte) {
	if a.sure {
		a.begin(false)
		if unsent == nil {
			return
		}
		a.keep(unsent)
		if a.again() {
			return
		}
	}
	for a.at+1 < len(a.list) {
		if a.turn(a.at + 1); a.again() {
			return
		}
	}
	a.begin(false)
	a.turn(0)
}

// again sends what is kept, and says whether nothing was refused so far.
func (a *aim) again() bool {
	for _, b := range a.kept {
		if _, err := a.conn.Write(b); errors.Is(err, unix.ECONNREFUSED) {
			return false
		}
	}
	return true
}

// turn changes where the socket sends to, and not its own address. An error of the address before is forgotten.
func (a *aim) turn(at int) {
	if len(a.list) == 1 {
		return
	}
	a.at = at
	raw, err := a.conn.SyscallConn()
	if err != nil {
		return // closed
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.Connect(int(fd), &unix.SockaddrInet4{Port: int(a.port), Addr: a.list[at].As4()})
		_, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	})
}
