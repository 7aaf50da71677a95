package slirp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

var defaultCIDR = netip.MustParsePrefix("10.0.2.0/24")

// nth is address n of the network inside.
func (c *Config) nth(n byte) netip.Addr {
	a := c.CIDR.Addr().As4()
	a[3] += n // the lowest of a /25 is 0 or 128
	return netip.AddrFrom4(a)
}

// slirpOption takes slirp4netns's own options, by podman's names.
func (c *Config) slirpOption(word, _ string) (err error) {
	switch name, value, _ := strings.Cut(word, "="); name {
	case "cidr":
		c.CIDR, err = netip.ParsePrefix(value)
		if err != nil || !c.CIDR.Addr().Is4() || c.CIDR.Bits() < 8 || c.CIDR.Bits() > 25 {
			return fmt.Errorf("want an IPv4 network of /8 to /25, such as 10.0.2.0/24")
		}
		c.CIDR = c.CIDR.Masked()
		if a := c.CIDR.Addr(); a.IsLoopback() || a.As4()[0] == 0 || a.As4()[0] >= 224 {
			return fmt.Errorf("no host can have an address of that network, want a private one such as 10.0.2.0/24")
		}
	case "outbound_addr":
		c.Outbound = value
		return outbound(value, true)
	case "outbound_addr6":
		c.Outbound6 = value
		return outbound(value, false)
	case "port_handler":
		if value == "builtin" {
			value = rootlessKit
		}
		if !slices.Contains(c.carrier().handlers, value) {
			return fmt.Errorf("want rootlesskit or slirp4netns")
		}
		c.Handler = value
	default:
		return fmt.Errorf("unknown, want cidr=, mtu=, enable_ipv6=, allow_host_loopback=, outbound_addr=, outbound_addr6= or port_handler=")
	}
	return nil
}

// outbound is an address of the host or the name of a device.
func outbound(value string, v4 bool) error {
	if a, err := netip.ParseAddr(value); err == nil {
		if a.Is4() != v4 {
			return fmt.Errorf("the address is of the other version of IP")
		}
		return nil
	}
	if value == "" || len(value) > 15 || strings.ContainsAny(value, "/ \t\n") || value[0] == '-' {
		return fmt.Errorf("want an address or a network device")
	}
	return nil
}

// slirpArgs is slirp4netns's command line (slirp4netns(1)). ready is its
// descriptor, net and user those of the namespaces; user is -1 without one. It ends
// by PR_SET_PDEATHSIG, so --exit-fd would say the same twice.
func (c *Config) slirpArgs(ready, net, user int) []string {
	args := []string{
		"--configure", "--mtu=" + strconv.Itoa(c.mtu()), "--cidr=" + c.CIDR.String(),
		"--ready-fd=" + strconv.Itoa(ready),
		"--enable-seccomp", "--netns-type=path",
	}
	if user < 0 { // else it would want root of that namespace
		args = append(args, "--enable-sandbox")
	}
	if !c.HostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	if c.IPv6 {
		args = append(args, "--enable-ipv6")
	}
	if c.Outbound != "" {
		args = append(args, "--outbound-addr="+c.Outbound)
	}
	if c.Outbound6 != "" {
		args = append(args, "--outbound-addr6="+c.Outbound6)
	}
	if s := c.handler().socket; s != "" {
		args = append(args, "--api-socket="+s)
	}
	if user >= 0 {
		args = append(args, fmt.Sprintf("--userns-path=/proc/self/fd/%d", user))
	}
	return append(args, fmt.Sprintf("/proc/self/fd/%d", net), tapDevice)
}

// startSlirp waits for slirp4netns's word. Its own sandbox wants root of a user
// namespace; where the container has none, it is left to its filter alone.
func (h *Helper) startSlirp(c *running) error {
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyR.Close()
	p := &c.program
	p.Files = []*os.File{readyW, os.NewFile(dup(FdNet), "net")}
	user := -1
	switch {
	case h.Userns && h.RootID:
		p.User = true
	case h.Userns:
		p.Files, user = append(p.Files, os.NewFile(dup(FdUser), "user")), 5
	}
	p.Args = append([]string{"slirp4netns"}, h.slirpArgs(3, 4, user)...)
	err = h.spawn(c)
	for _, f := range p.Files {
		f.Close()
	}
	if err != nil {
		return err
	}
	_ = readyR.SetReadDeadline(time.Now().Add(patience))
	if n, err := readyR.Read(make([]byte, 1)); n == 0 {
		return h.notReady(c, errors.Is(err, os.ErrDeadlineExceeded), "slirp4netns is too old for this (1.1 or newer is needed)", "")
	}
	return nil
}
