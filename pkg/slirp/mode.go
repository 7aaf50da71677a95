package slirp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"sandbox/pkg/proc"
)

// Config says what carries a container's packets.
type Config struct {
	Kind         string       // the carrier's name
	Handler      string       // of published ports, by its name
	MTU          int          // bytes; 0 is the most that the carrier can
	CIDR         netip.Prefix // slirp4netns: the network inside; default 10.0.2.0/24
	IPv6         bool
	HostLoopback bool   // the host's 127.0.0.1 can be reached, as the gateway
	Outbound     string // slirp4netns: source address or device of IPv4
	Outbound6    string
	Extra        []string // pasta's own flags, as typed
	before2024   bool     // pasta: it does not know toLoopback; found out at its first start
	Shared       bool     // the network is the host's or another's: the kind is none
}

// ParseMode reads the value of --network that names a carrier, with its options behind a colon: podman's names.
func ParseMode(value string) (*Config, error) {
	kind, opts, _ := strings.Cut(value, ":")
	c := &Config{Kind: kind, CIDR: defaultCIDR, IPv6: hasIPv6()}
	if c.carrier() == nil {
		var names strings.Builder
		for _, r := range carriers() {
			names.WriteString(r.name + ", ")
		}
		return nil, fmt.Errorf("--network %q: unknown network, want one of %shost, ns:PATH, container:ID", value, &names)
	}
	c.Handler = c.carrier().handlers[0]
	if opts == "" {
		return c, nil
	}
	before := ""
	for word := range strings.SplitSeq(opts, ",") {
		if err := c.option(word, before); err != nil {
			return nil, fmt.Errorf("--network %s: option %q: %w", kind, word, err)
		}
		before = word
	}
	return c, nil
}

// option takes one that all carriers have, or one of the carrier's own.
func (c *Config) option(word, before string) (err error) {
	switch name, value, _ := strings.Cut(word, "="); name {
	case "mtu":
		c.MTU, err = strconv.Atoi(value)
		if err != nil || c.MTU < 68 || c.MTU > maxMTU {
			return fmt.Errorf("want 68 to %d bytes", maxMTU)
		}
	case "enable_ipv6":
		c.IPv6, err = boolean(value)
	case "allow_host_loopback":
		c.HostLoopback, err = boolean(value)
	default:
		err = c.carrier().option(c, word, before)
	}
	return err
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

// Shared is a network that is not the container's own; its files are.
func Shared() *Config { return &Config{Kind: None, Handler: rootlessKit, Shared: true} }

// hasIPv6 says whether this host speaks it: without the module there is nothing, and
// a sysctl turns it off.
func hasIPv6() bool {
	off, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	return err == nil && strings.TrimSpace(string(off)) == "0"
}

// errLoader: the inner half of RootlessKit's driver is this program in an empty directory, where no loader is.
var errLoader = errors.New("this sandbox was built with cgo and needs a loader, which the port handler inside does not see: " +
	"build it with CGO_ENABLED=0, or take another handler (--network pasta, or slirp4netns:port_handler=slirp4netns)")

// CheckPorts refuses what only another handler, or another build of this program, can.
func (c *Config) CheckPorts(list []Port) error {
	if c.Handler == rootlessKit && len(list) > 0 && proc.NeedsLoader() {
		return errLoader
	}
	for _, p := range list {
		if c.handler().ipv4 && strings.Contains(p.HostIP, ":") {
			return fmt.Errorf("address %s: slirp4netns's own handler listens on IPv4 only; leave port_handler= out", p.HostIP)
		}
	}
	return nil
}
