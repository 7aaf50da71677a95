package slirp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// Names says what a container calls itself and others.
type Names struct {
	Hostname string
	DNS      []string // addresses; none: the host's
	Search   []string
	Options  []string
	Hosts    []string // NAME:IP, where IP may be host-gateway
	NoHosts  bool     // the host file is left alone
}

// Validate says what is wrong with what was typed.
func (n *Names) Validate() error {
	if n.NoHosts && len(n.Hosts) > 0 {
		return fmt.Errorf("--no-hosts and --add-host cannot be set together: leave one out")
	}
	for _, d := range n.DNS {
		if n.noResolv() {
			break
		}
		if _, err := netip.ParseAddr(d); err != nil {
			return fmt.Errorf("--dns %q: want an IP address", d)
		}
	}
	for flag, list := range map[string][]string{"--dns-search": n.Search, "--dns-option": n.Options} {
		for _, s := range list {
			if s == "" || strings.ContainsAny(s, " \t\n\x00") {
				return fmt.Errorf("%s %q: want one word", flag, s)
			}
		}
	}
	for _, h := range n.Hosts {
		name, ip, found := strings.Cut(h, ":")
		if !found || name == "" || strings.ContainsAny(name, " \t\n\x00#") {
			return fmt.Errorf("--add-host %q: want NAME:IP or NAME:host-gateway", h)
		}
		if _, err := netip.ParseAddr(strings.Trim(ip, "[]")); err != nil && ip != "host-gateway" {
			return fmt.Errorf("--add-host %q: %q is neither an IP address nor host-gateway", h, ip)
		}
	}
	return nil
}

// noResolv says whether /etc/resolv.conf is left alone, podman's --dns none.
func (n *Names) noResolv() bool { return len(n.DNS) == 1 && n.DNS[0] == "none" }

// Resolver says whether anything was asked for about /etc/resolv.conf.
func (n *Names) Resolver() bool { return len(n.DNS)+len(n.Search)+len(n.Options) > 0 }

// HostNames says whether anything was asked for about /etc/hosts.
func (n *Names) HostNames() bool { return n.NoHosts || len(n.Hosts) > 0 }

// Given says which flag was used, "" for none.
func (n *Names) Given() string {
	switch {
	case len(n.DNS) > 0:
		return "--dns"
	case len(n.Search) > 0:
		return "--dns-search"
	case len(n.Options) > 0:
		return "--dns-option"
	case len(n.Hosts) > 0:
		return "--add-host"
	case n.NoHosts:
		return "--no-hosts"
	}
	return ""
}

// HostsFile is /etc/hosts of the container; nil leaves it as it is. The first line with a name counts
// (hosts(5)), so what was asked for comes first.
func (c *Config) HostsFile(n *Names) []byte {
	if n.NoHosts {
		return nil
	}
	var b bytes.Buffer
	host := c.Host()
	for _, h := range n.Hosts {
		name, ip, _ := strings.Cut(h, ":")
		if ip = strings.Trim(ip, "[]"); ip == "host-gateway" {
			if !host.IsValid() {
				continue // CheckNames has refused it
			}
			ip = host.String()
		}
		fmt.Fprintf(&b, "%s\t%s\n", ip, name)
	}
	if c.Shared {
		own, _ := readSome("/etc/hosts")
		b.Write(own)
		return b.Bytes()
	}
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	own := "127.0.1.1"
	if a := c.Address(); a.IsValid() && !a.IsLoopback() {
		own = a.String()
	}
	if n.Hostname != "" {
		fmt.Fprintf(&b, "%s\t%s\n", own, n.Hostname)
	}
	if host.IsValid() {
		fmt.Fprintf(&b, "%s\thost.containers.internal host.docker.internal\n", host)
	}
	return b.Bytes()
}

// CheckNames refuses what only another network has.
func (c *Config) CheckNames(n *Names) error {
	for _, h := range n.Hosts {
		if !strings.HasSuffix(h, ":host-gateway") || c.Host().IsValid() {
			continue
		}
		if c.Shared {
			return fmt.Errorf("--add-host %q: in a network that is not the container's own the host has no address of its own; take 127.0.0.1 with --network host", h)
		}
		return fmt.Errorf("--add-host %q: with --network %s %s; slirp4netns gives it one", h, c.Kind, c.carrier().noHost)
	}
	return nil
}
