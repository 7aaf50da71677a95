package slirp

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Kinds of a network.
const (
	Slirp4netns = "slirp4netns"
	Pasta       = "pasta"
	None        = "none" // loopback only; ports may still be published into it
)

// Handlers of published ports.
const (
	Builtin = "rootlesskit" // RootlessKit's builtin driver, podman's name for it
	Own     = "own"         // the carrier's own: slirp4netns's API, pasta's -t and -u
)

// Config says what carries a container's packets.
type Config struct {
	Kind         string
	Handler      string
	MTU          int          // bytes; 0 is the most that the carrier can
	CIDR         netip.Prefix // slirp4netns: the network inside; default 10.0.2.0/24
	IPv6         bool
	HostLoopback bool   // the host's 127.0.0.1 can be reached, as the gateway
	Outbound     string // slirp4netns: source address or device of IPv4
	Outbound6    string
	Extra        []string // pasta's own flags, as typed
	Shared       bool     // the network is the host's or another's: the kind is none
}

var defaultCIDR = netip.MustParsePrefix("10.0.2.0/24")

// ParseMode reads the value of --network behind its kind: podman's names.
func ParseMode(value string) (*Config, error) {
	kind, opts, _ := strings.Cut(value, ":")
	c := &Config{Kind: kind, Handler: Builtin, CIDR: defaultCIDR, IPv6: hasIPv6()}
	switch kind {
	case Slirp4netns, None:
	case Pasta:
		c.Handler = Own
	default:
		return nil, fmt.Errorf("--network %q: unknown network, want one of slirp4netns, pasta, none, host, ns:PATH, container:ID", value)
	}
	if opts == "" {
		return c, nil
	}
	after := false // a flag of pasta's, whose value may follow
	for _, opt := range strings.Split(opts, ",") {
		if kind == Pasta && c.pastaOption(opt, after) {
			after = strings.HasPrefix(opt, "-")
			continue
		}
		after = false
		if err := c.option(opt); err != nil {
			return nil, fmt.Errorf("--network %s: option %q: %w", kind, opt, err)
		}
	}
	return c, nil
}

// commonOptions are those of both carriers.
var commonOptions = []string{"mtu", "enable_ipv6", "allow_host_loopback"}

func (c *Config) option(opt string) error {
	name, value, _ := strings.Cut(opt, "=")
	if !slices.Contains(commonOptions, name) && c.Kind != Slirp4netns {
		if c.Kind == None {
			return fmt.Errorf("a network with loopback only has no options")
		}
		return fmt.Errorf("unknown, want mtu=, enable_ipv6=, allow_host_loopback= or pasta's own flags")
	}
	var err error
	switch name {
	case "mtu":
		c.MTU, err = strconv.Atoi(value)
		if err != nil || c.MTU < 68 || c.MTU > maxMTU {
			return fmt.Errorf("want 68 to %d bytes", maxMTU)
		}
	case "enable_ipv6":
		c.IPv6, err = boolean(value)
	case "allow_host_loopback":
		c.HostLoopback, err = boolean(value)
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
		switch value {
		case Builtin, "builtin":
			c.Handler = Builtin
		case Slirp4netns:
			c.Handler = Own
		default:
			return fmt.Errorf("want rootlesskit or slirp4netns")
		}
	default:
		return fmt.Errorf("unknown, want cidr=, mtu=, enable_ipv6=, allow_host_loopback=, outbound_addr=, outbound_addr6= or port_handler=")
	}
	return err
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

func boolean(value string) (bool, error) {
	switch value {
	case "true", "":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("want true or false")
}

// maxMTU is what slirp4netns and pasta take at most, bytes.
const maxMTU = 65520

func (c *Config) mtu() int {
	if c.MTU == 0 {
		return maxMTU
	}
	return c.MTU
}

// nth is address n of the network inside.
func (c *Config) nth(n byte) netip.Addr {
	a := c.CIDR.Addr().As4()
	a[3] += n // the lowest of a /25 is 0 or 128
	return netip.AddrFrom4(a)
}

// Address is the container's own, as slirp4netns gives it (slirp4netns(1)); not
// valid where only the carrier knows.
func (c *Config) Address() netip.Addr {
	switch c.Kind {
	case Slirp4netns:
		return c.nth(100)
	case None:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.Addr{}
}

// Host is where the container reaches this host; not valid where it does not.
// pasta's gateway inside is the host's, whose packets it then takes for this host.
func (c *Config) Host() netip.Addr {
	switch {
	case c.Kind == Slirp4netns:
		return c.nth(2)
	case c.Kind == Pasta && c.HostLoopback:
		for _, flag := range [][]string{{"--map-host-loopback"}, {"-g", "--gateway"}} {
			value, _ := c.extraValue(flag...)
			if a, err := netip.ParseAddr(value); err == nil {
				return a
			}
		}
		return hostGateway()
	}
	return netip.Addr{}
}

// Shared is a network that is not the container's own; its files are.
func Shared() *Config { return &Config{Kind: None, Handler: Builtin, Shared: true} }

// hasIPv6 says whether this host speaks it: without the module there is nothing, and
// a sysctl turns it off.
func hasIPv6() bool {
	off, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	return err == nil && strings.TrimSpace(string(off)) == "0"
}

// CheckPorts refuses what only another handler can.
func (c *Config) CheckPorts(list []Port) error {
	for _, p := range list {
		if c.Kind == Slirp4netns && c.Handler == Own && strings.Contains(p.HostIP, ":") {
			return fmt.Errorf("address %s: slirp4netns's own handler listens on IPv4 only; leave port_handler= out", p.HostIP)
		}
	}
	return nil
}
