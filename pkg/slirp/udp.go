package slirp

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// idleUDP is how long a client of a UDP port is known without a packet, and
	// maxUDP how many a container's ports know in all: then the one that has been
	// silent longest is forgotten.
	idleUDP = 90 * time.Second
	maxUDP  = 1024
)

// packets are buffers for the largest datagram. A client that waits needs none.
var packets = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// udpPort is a published UDP port and its clients.
type udpPort struct {
	*net.UDPConn
	d    *driver
	port Port

	mu      sync.Mutex
	clients map[netip.AddrPort]*udpClient
	recent  *list.List // of *udpClient, the one with the latest packet first
}

// udpClient is where a client's packets go inside.
type udpClient struct {
	*net.UDPConn
	aim    aim
	at     netip.AddrPort
	last   time.Time
	recent *list.Element
}

func (d *driver) newUDP(c *net.UDPConn, p Port) *udpPort {
	return &udpPort{UDPConn: c, d: d, port: p, clients: make(map[netip.AddrPort]*udpClient), recent: list.New()}
}

// serve passes packets in until the port is closed.
func (u *udpPort) serve() {
	buf := *packets.Get().(*[]byte)
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // an earlier answer's ICMP error, or no memory
			continue
		}
		if c := u.client(from); c != nil {
			c.aim.send(buf[:n])
		}
	}
}

// Close also forgets the clients.
func (u *udpPort) Close() error {
	err := u.UDPConn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.clients {
		_ = c.Close()
	}
	return err
}

// client is a known client or a new one; nil where the inside cannot be had.
func (u *udpPort) client(at netip.AddrPort) *udpClient {
	u.mu.Lock()
	defer u.mu.Unlock()
	c := u.clients[at]
	if c == nil {
		for most := u.d.shareUDP(); u.recent.Len() >= most; {
			u.forget(u.recent.Back().Value.(*udpClient))
		}
		inside, err := dialInner[*net.UDPConn](connectTo(u.port, u.d.inside[0]))
		if err != nil {
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				u.d.full(err)
			}
			return nil
		}
		c = &udpClient{UDPConn: inside, at: at, aim: aim{conn: inside, list: u.d.inside, port: uint16(u.port.Container)}}
		c.recent = u.recent.PushFront(c)
		u.clients[at] = c
		go u.answers(c)
	}
	u.touch(c)
	return c
}

func (u *udpPort) touch(c *udpClient) {
	c.last = time.Now()
	u.recent.MoveToFront(c.recent)
	_ = c.SetReadDeadline(c.last.Add(idleUDP))
}

func (u *udpPort) forget(c *udpClient) {
	if u.clients[c.at] == c {
		delete(u.clients, c.at)
		u.recent.Remove(c.recent)
	}
	_ = c.Close()
}

// answers passes packets out until the client has been silent for long.
func (u *udpPort) answers(c *udpClient) {
	for {
		err := u.answer(c)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // by an address at which nobody was, and which aim knows
		}
		u.mu.Lock()
		if err != nil {
			u.forget(c)
		} else if u.clients[c.at] == c {
			u.touch(c)
		}
		u.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answer passes one on. The buffer is taken when there is a packet.
func (u *udpPort) answer(c *udpClient) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	var from int
	err = raw.Read(func(fd uintptr) bool {
		buf := packets.Get().(*[]byte)
		defer packets.Put(buf)
		var n int
		from = c.aim.now()
		if n, failed = unix.Read(int(fd), *buf); failed == nil {
			c.aim.answered()
			_, _ = u.WriteToUDPAddrPort((*buf)[:n], c.at) // what the host's network refuses is lost, as any datagram
		}
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err != nil {
		return err
	}
	if errors.Is(failed, unix.ECONNREFUSED) {
		c.aim.turnedAway(from)
	}
	return failed
}
