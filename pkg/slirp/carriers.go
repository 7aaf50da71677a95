package slirp

import (
	"errors"
	"net/netip"
	"os"
)

// None is the carrier that carries nothing: loopback only, into which ports may still be published.
const None = "none"

// rootlessKit is podman's name for the handler whose half inside is RootlessKit's builtin driver.
const rootlessKit = "rootlesskit"

// carrier is a way of packets out of a container: what it needs, what the container sees of it, and how it is started.
// Code asks the row of the table, and not which carrier it is.
type carrier struct {
	name     string   // in --network
	program  string   // that has to be installed; "" for none
	pkg      string   // which has it, in Debian and Fedora
	tun      bool     // it makes a tap of Tun
	handlers []string // of published ports; the first where none is asked for
	noHost   string   // why the container does not reach this host, where it does not

	// option takes a word of the mode that not all carriers have; before is the word in front of it.
	option func(c *Config, word, before string) error
	// address is the container's own, host where it reaches this host; not valid where there is none, or only the carrier knows.
	address, host func(*Config) netip.Addr
	// resolvers are those that the container reaches, of the host's and of its own.
	resolvers func(c *Config, host []string) []string
	// start fills in the program's arguments, starts it (spawn), and returns when it carries; nil carries nothing.
	start func(*Helper, *running) error
}

// carriers is the table, the default first. It is a function because rows of a variable could not ask it themselves
// (initialization cycle).
func carriers() []carrier {
	return []carrier{
		{
			name: "slirp4netns", program: "slirp4netns", pkg: "slirp4netns", tun: true, handlers: []string{rootlessKit, "slirp4netns"},
			option:  (*Config).slirpOption,
			address: func(c *Config) netip.Addr { return c.nth(100) },
			host:    func(c *Config) netip.Addr { return c.nth(2) },
			// Its own asks the host's, also one on the host's loopback.
			resolvers: func(c *Config, host []string) []string {
				return append([]string{c.nth(3).String()}, reachable(host)...)
			},
			start: (*Helper).startSlirp,
		},
		{
			name: "pasta", program: "pasta", pkg: "passt", tun: true, handlers: []string{"pasta"},
			noHost:    "the host has an address inside only with pasta:allow_host_loopback=true and a default route",
			option:    (*Config).pastaOption,
			address:   nowhere,
			host:      (*Config).pastaHost,
			resolvers: pastaResolvers,
			start:     (*Helper).startPasta,
		},
		{
			name: None, handlers: []string{rootlessKit},
			noHost:    "the host has no address inside",
			option:    func(*Config, string, string) error { return errors.New("a network with loopback only has no options") },
			address:   func(*Config) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) },
			host:      nowhere,
			resolvers: func(*Config, []string) []string { return nil },
		},
	}
}

func nowhere(*Config) netip.Addr { return netip.Addr{} }

// handler is who publishes ports.
type handler struct {
	name   string // in port_handler=
	ours   bool   // it serves sockets that listen already, which the caller's process has made
	source bool   // a server inside sees the client's address
	ipv4   bool   // alone
	routed bool   // it reaches the container's 127.0.0.1 through the tap
	socket string // which the carrier makes, to be told of each port, and a new carrier of all again; "" for none

	// add publishes a port. held listens already where the handler is ours, and is taken.
	add    func(h *Helper, p Port, held *os.File) error
	remove func(*Helper, Port) error
	// atLoopback is called once for a port that add has told findServer of, when a server is there, which listens on 127.0.0.1 alone.
	atLoopback func(*Helper, Port) error
}

// handlers is their table.
func handlers() []handler {
	return []handler{
		{name: rootlessKit, ours: true, add: (*Helper).addToDriver, remove: (*Helper).removeFromDriver},
		{name: "slirp4netns", source: true, ipv4: true, routed: true, socket: apiSocket, add: (*Helper).addForward, remove: (*Helper).removeForward, atLoopback: (*Helper).forwardToLoopback},
		{name: "pasta", source: true, add: (*Helper).addToPasta, remove: (*Helper).removeFromPasta, atLoopback: (*Helper).sayLoopback},
	}
}

// carrier is c's row of the table; nil where its name is nobody's.
func (c *Config) carrier() *carrier {
	for _, r := range carriers() {
		if r.name == c.Kind {
			return &r
		}
	}
	return nil
}

func (c *Config) handler() *handler {
	for _, r := range handlers() {
		if r.name == c.Handler {
			return &r
		}
	}
	return nil
}

// Carries says whether packets leave the container.
func (c *Config) Carries() bool { return c.carrier().start != nil }

// MakesSocket says whether the carrier makes a socket in the network's directory.
func (c *Config) MakesSocket() bool { return c.handler().socket != "" }

// RoutesLoopback says whether published ports reach the container's 127.0.0.1 through its device, which the kernel has to allow.
func (c *Config) RoutesLoopback() bool { return c.handler().routed }

// Address is the container's own; not valid where only the carrier knows.
func (c *Config) Address() netip.Addr { return c.carrier().address(c) }

// Host is where the container reaches this host; not valid where it does not.
func (c *Config) Host() netip.Addr { return c.carrier().host(c) }
