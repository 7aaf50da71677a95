package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Reserve listens on each port, before anything is made for it, and chooses those
// that were left open, last, so that none takes one that was asked for. The
// sockets, in the order of the list, are the caller's to close: as long as they
// are there nobody else gets the ports, and clients wait. They are of this
// process's network namespace.
func Reserve(list []Port) ([]*os.File, error) {
	held := make([]*os.File, len(list))
	taken := make(map[string][]Port)
	for _, open := range []bool{false, true} {
		for i := range list {
			p := &list[i]
			if (p.Host == 0) != open {
				continue
			}
			err := p.twice(taken)
			if err == nil {
				held[i], err = p.listen()
			}
			if err != nil {
				Release(held)
				return nil, err
			}
			taken[p.key()] = append(taken[p.key()], *p)
		}
	}
	return held, nil
}

// Reserve does it for a handler. Where that one listens itself it finds the ports free, and there are no sockets: all are nil.
func (c *Config) Reserve(list []Port) ([]*os.File, error) {
	held, err := Reserve(list)
	if err == nil && !c.handler().ours {
		Release(held)
		clear(held)
	}
	return held, err
}

// Release lets go of reserved ports.
func Release(held []*os.File) {
	for _, f := range held {
		if f != nil {
			f.Close()
		}
	}
}

// key is what can be published once only for an address.
func (p Port) key() string { return fmt.Sprintf("%s %d", p.Proto, p.Host) }

func (p Port) twice(taken map[string][]Port) error {
	for _, q := range taken[p.key()] {
		if p.Host != 0 && overlap(p.HostIP, q.HostIP) {
			return fmt.Errorf("port %s of the host is published twice, for %d and for %d: leave one out or give it another host port", p.where(), q.Container, p.Container)
		}
	}
	return nil
}

// overlap says whether two addresses cannot both have a port.
func overlap(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified())
}

// where names the host's side.
func (p Port) where() string {
	if p.HostIP == "" {
		return fmt.Sprintf("%d/%s", p.Host, p.Proto)
	}
	return net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host)) + "/" + p.Proto
}

// network is the protocol in Go's words, which otherwise means both versions of IP
// with every address that is none.
func (p Port) network() string {
	switch p.HostIP {
	case "0.0.0.0":
		return p.Proto + "4"
	case "::":
		return p.Proto + "6"
	}
	return p.Proto
}

// listen makes the socket, and fills in a port that was left open.
func (p *Port) listen() (*os.File, error) {
	at := net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host))
	var f *os.File
	var err error
	if p.Proto == "udp" {
		var c net.PacketConn
		if c, err = net.ListenPacket(p.network(), at); err == nil {
			defer func() { _ = c.Close() }()
			p.Host = c.LocalAddr().(*net.UDPAddr).Port
			f, err = c.(*net.UDPConn).File()
		}
	} else {
		var l net.Listener
		if l, err = net.Listen(p.network(), at); err == nil {
			defer func() { _ = l.Close() }()
			p.Host = l.Addr().(*net.TCPAddr).Port
			f, err = l.(*net.TCPListener).File()
		}
	}
	if err != nil {
		return nil, p.refused(err)
	}
	return f, nil
}

// refused says why a port cannot be had, and what can be done.
func (p *Port) refused(err error) error {
	var errno unix.Errno
	errors.As(err, &errno)
	switch errno {
	case unix.EADDRINUSE:
		return fmt.Errorf("port %s of the host is in use: choose another (%d:%d), or none for any that is free (%d)", p.where(), p.Host%65535+1, p.Container, p.Container)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("port %s of the host needs privilege, below net.ipv4.ip_unprivileged_port_start=%s: choose a higher one (%d:%d), or once as root: sysctl -w net.ipv4.ip_unprivileged_port_start=%d",
			p.where(), firstUnprivileged(), p.Host+8000, p.Container, p.Host)
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("no network device of this host has the address %s: choose one that 'ip address' shows, or none for all of them", p.HostIP)
	case unix.EAFNOSUPPORT:
		return fmt.Errorf("this host has no such version of IP as that of %s: choose an address of the other one", p.HostIP)
	case unix.EMFILE:
		return fmt.Errorf("listen on port %s of the host: %w: each port takes one, ulimit -n must allow it", p.where(), errno)
	}
	return fmt.Errorf("listen on port %s of the host: %w", p.where(), err)
}

func firstUnprivileged() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(b))
}
