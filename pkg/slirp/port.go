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

// Port is one published port.
type Port struct {
	Proto     string `json:"protocol"`          // tcp or udp
	HostIP    string `json:"host_ip,omitempty"` // "" is all addresses, of both versions of IP
	Host      int    `json:"host_port"`         // 0 is any that is free, until [Reserve] has chosen
	Container int    `json:"container_port"`
}

// String is what podman port prints.
func (p Port) String() string {
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	return fmt.Sprintf("%d/%s -> %s", p.Container, p.Proto, net.JoinHostPort(ip, strconv.Itoa(p.Host)))
}

// key is what can be published once only.
func (p Port) key() string { return fmt.Sprintf("%s %d", p.Proto, p.Host) }

// ParsePorts reads one value of --publish: [[ip:][hostPort]:]containerPort[/proto],
// with ranges of equal length on both sides.
func ParsePorts(value string) ([]Port, error) {
	list, err := parsePorts(value)
	if err != nil {
		return nil, fmt.Errorf("--publish %q: %w", value, err)
	}
	return list, nil
}

func parsePorts(value string) ([]Port, error) {
	rest, proto, found := strings.Cut(value, "/")
	if !found {
		proto = "tcp"
	}
	if proto != "tcp" && proto != "udp" {
		return nil, fmt.Errorf("protocol %q, want tcp or udp", proto)
	}
	var host, ip string
	at := strings.LastIndexByte(rest, ':')
	inside := rest[at+1:]
	if at >= 0 {
		host = rest[:at]
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			ip, host = host[:i], host[i+1:]
		} else if strings.HasSuffix(host, "]") {
			return nil, fmt.Errorf("the address wants a host port behind it, which may be empty: %s::%s", host, inside)
		}
	}
	ip, err := hostIP(ip)
	if err != nil {
		return nil, err
	}
	c, n, err := portRange(inside, "container")
	if err != nil {
		return nil, err
	}
	h, m := 0, n
	if host != "" {
		if h, m, err = portRange(host, "host"); err != nil {
			return nil, err
		}
	}
	if n != m {
		return nil, fmt.Errorf("%d ports of the host for %d of the container: ranges must have the same length", m, n)
	}
	list := make([]Port, n)
	for i := range list {
		list[i] = Port{Proto: proto, HostIP: ip, Container: c + i}
		if h != 0 {
			list[i].Host = h + i
		}
	}
	return list, nil
}

// hostIP takes 0.0.0.0 as what it says, IPv4 only, and "" as both.
func hostIP(ip string) (string, error) {
	if ip == "" {
		return "", nil
	}
	if strings.HasPrefix(ip, "[") && strings.HasSuffix(ip, "]") {
		ip = ip[1 : len(ip)-1]
	} else if strings.Contains(ip, ":") {
		return "", fmt.Errorf("an IPv6 address stands in brackets, such as [::1]:8080:80")
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "", fmt.Errorf("%q is not an IP address", ip)
	}
	return a.String(), nil
}

// portRange reads "80" or "8000-8010" and returns the first and how many.
func portRange(text, whose string) (first, n int, err error) {
	low, high, isRange := strings.Cut(text, "-")
	first, err = portNumber(low, whose)
	if err != nil || !isRange {
		return first, 1, err
	}
	last, err := portNumber(high, whose)
	if err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("%s ports %q: the range runs backwards", whose, text)
	}
	return first, last - first + 1, nil
}

func portNumber(text, whose string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, fmt.Errorf("%s port %q, want 1 to 65535", whose, text)
	}
	return int(n), nil
}

// Reserve checks that each port can be listened on, before anything is made for
// it, and chooses those that were left open. It looks at this process's network
// namespace. A port that somebody else takes in between is found out by the
// helper.
func Reserve(list []Port) error {
	taken := make(map[string][]Port)
	for i := range list {
		p := &list[i]
		if p.Host != 0 {
			for _, q := range taken[p.key()] {
				if p.HostIP == q.HostIP || anyAddress(p.HostIP) || anyAddress(q.HostIP) {
					return fmt.Errorf("--publish: port %s of the host is published twice, for %d and for %d: leave one out or give it another host port", p.where(), q.Container, p.Container)
				}
			}
		}
		got, err := p.try()
		if err != nil {
			return err
		}
		p.Host = got
		taken[p.key()] = append(taken[p.key()], *p)
	}
	return nil
}

func anyAddress(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }

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

// try listens for a moment.
func (p Port) try() (int, error) {
	at := net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host))
	if p.Proto == "udp" {
		c, err := net.ListenPacket(p.network(), at)
		if err != nil {
			return 0, p.refused(err)
		}
		defer func() { _ = c.Close() }()
		return c.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen(p.network(), at)
	if err != nil {
		return 0, p.refused(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// refused says why a port cannot be had, and what can be done.
func (p Port) refused(err error) error {
	var errno unix.Errno
	errors.As(err, &errno)
	switch errno {
	case unix.EADDRINUSE:
		return fmt.Errorf("--publish: port %s of the host is in use: choose another (-p %d:%d), or none for any that is free (-p %d)", p.where(), p.Host+1, p.Container, p.Container)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("--publish: port %s of the host needs privilege, below net.ipv4.ip_unprivileged_port_start=%s: choose a higher one (-p %d:%d), or once as root: sysctl -w net.ipv4.ip_unprivileged_port_start=%d",
			p.where(), firstUnprivileged(), p.Host+8000, p.Container, p.Host)
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("--publish: no network device of this host has the address %s", p.HostIP)
	case unix.EAFNOSUPPORT:
		return fmt.Errorf("--publish: this host has no such version of IP as that of %s", p.HostIP)
	}
	return fmt.Errorf("--publish: listen on port %s of the host: %w", p.where(), err)
}

func firstUnprivileged() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(b))
}
