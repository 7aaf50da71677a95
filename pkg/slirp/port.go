package slirp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
	return fmt.Sprintf("%d/%s -> %s", p.Container, p.Proto, p.At())
}

// At is the host's side.
func (p Port) At() string {
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	return net.JoinHostPort(ip, strconv.Itoa(p.Host))
}

// ParsePorts reads what --publish takes: [[ip:][hostPort]:]containerPort[/proto],
// with ranges of equal length on both sides.
func ParsePorts(value string) ([]Port, error) {
	rest, protos, err := protocols(value)
	if err != nil {
		return nil, err
	}
	var host, ip string
	at := strings.LastIndexByte(rest, ':')
	if strings.HasSuffix(rest, "]") || isAddress(rest) {
		return nil, fmt.Errorf("an address alone, want the container's port behind it: %s::80", rest)
	}
	inside := rest[at+1:]
	if at >= 0 {
		host = rest[:at]
		if strings.HasSuffix(host, "]") || isAddress(host) {
			return nil, fmt.Errorf("the address wants a host port behind it, which may be empty: %s::%s", host, inside)
		}
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			ip, host = host[:i], host[i+1:]
		}
	}
	if ip, err = hostIP(ip); err != nil {
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
	var list []Port
	for _, proto := range protos {
		for i := range n {
			p := Port{Proto: proto, HostIP: ip, Container: c + i}
			if h != 0 {
				p.Host = h + i
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// protocols cuts off what stands behind the slash: podman takes a list too.
func protocols(value string) (rest string, protos []string, err error) {
	rest, list, found := strings.Cut(value, "/")
	if !found {
		list = "tcp"
	}
	for proto := range strings.SplitSeq(list, ",") {
		if proto != "tcp" && proto != "udp" {
			return "", nil, fmt.Errorf("protocol %q, want tcp or udp", proto)
		}
		if !slices.Contains(protos, proto) {
			protos = append(protos, proto)
		}
	}
	return rest, protos, nil
}

func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// ParseHostPorts reads the host's side of published ports: [ip:]port[-port][/proto].
func ParseHostPorts(value string) ([]Port, error) {
	rest, protos, err := protocols(value)
	if err != nil {
		return nil, err
	}
	ip, host := "", rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		ip, host = rest[:i], rest[i+1:]
		if _, err := portNumber(ip, "host"); err == nil {
			return nil, fmt.Errorf("want the host's side only, which is %s/%s here", ip, strings.Join(protos, ","))
		}
	}
	if ip, err = hostIP(ip); err != nil {
		return nil, err
	}
	first, n, err := portRange(host, "host")
	if err != nil {
		return nil, err
	}
	var list []Port
	for _, proto := range protos {
		for i := range n {
			list = append(list, Port{Proto: proto, HostIP: ip, Host: first + i})
		}
	}
	return list, nil
}

// ParseContainerPort reads a port of the container's side: 80 or 80/udp.
func ParseContainerPort(value string) (Port, error) {
	rest, protos, err := protocols(value)
	if err != nil {
		return Port{}, err
	}
	n, err := portNumber(rest, "container")
	return Port{Proto: protos[0], Container: n}, err
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
	switch {
	case a.Zone() != "":
		return "", fmt.Errorf("%s: a port cannot be published for one device's address with a zone; leave %%%s out", ip, a.Zone())
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "", fmt.Errorf("%s is an address of many: want one of this host's, or none for all of them", ip)
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
