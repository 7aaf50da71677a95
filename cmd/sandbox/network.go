package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// networkFlags are podman's.
type networkFlags struct {
	mode       once
	net        lifecycle.Network
	publishAll bool
}

// once is a flag that can be given one time: a container has one network.
type once string

func (o *once) String() string { return string(*o) }
func (o *once) Type() string   { return "string" }
func (o *once) Set(value string) error {
	if *o != "" {
		return fmt.Errorf("given twice, as %s before; a container has one network, leave one out", *o)
	}
	*o = once(value)
	return nil
}

func (n *networkFlags) add(f *pflag.FlagSet) {
	w := &n.net
	f.Var(&n.mode, "network", "network: `MODE` slirp4netns[:OPTIONS], pasta[:OPTIONS], none, host, ns:PATH or container:ID (default: the first that works here)")
	f.VarP(each(&w.Publish), "publish", "p", "publish a port: `[IP:][HOST]:CONTAINER[/udp]`, /tcp,udp, or ranges")
	f.BoolVarP(&n.publishAll, "publish-all", "P", false, "publish all ports that the image exposes, on ports of the host that are free")
	f.Var(each(&w.Names.DNS), "dns", "ask the DNS server at `ADDRESS`; none leaves /etc/resolv.conf as it is")
	f.Var(each(&w.Names.Search), "dns-search", "search names in `DOMAIN`")
	f.Var(each(&w.Names.Options), "dns-option", "resolver `OPTION`")
	f.Var(each(&w.Names.Hosts), "add-host", "add `NAME:IP` to /etc/hosts; the host itself is NAME:host-gateway")
	f.BoolVar(&w.Names.NoHosts, "no-hosts", false, "leave /etc/hosts as it is")
	// podman's and docker's other names for the same
	f.Var(&n.mode, "net", "the same as --network")
	f.Var(each(&w.Names.Options), "dns-opt", "the same as --dns-option")
	for _, name := range []string{"net", "dns-opt"} {
		_ = f.MarkHidden(name)
	}
}

// expose publishes what an image exposes and nobody has published, where a port is free. What is no port, or of a protocol that is
// not published, comes back: an image says nothing of the host.
func (n *networkFlags) expose(exposed map[string]struct{}) (odd []string) {
	var given []inside
	for _, p := range n.net.Publish {
		if in, ok := readInside(p[strings.LastIndexByte(p, ':')+1:]); ok {
			given = append(given, in)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(exposed)) {
		in, ok := readInside(port)
		switch {
		case !ok:
			odd = append(odd, port)
		case !slices.ContainsFunc(given, in.isIn):
			n.net.Publish = append(n.net.Publish, port)
		}
	}
	return odd
}

// inside are a container's ports as they are written behind the last colon: FIRST[-LAST][/PROTOCOL].
type inside struct {
	first, last int
	proto       string
}

func readInside(text string) (in inside, ok bool) {
	ports, proto, _ := strings.Cut(text, "/")
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	in = inside{int(first), int(last), cmp.Or(proto, "tcp")}
	return in, err == nil && err2 == nil && first > 0 && first <= last && (in.proto == "tcp" || in.proto == "udp")
}

func (in inside) isIn(o inside) bool {
	return in.proto == o.proto && in.first >= o.first && in.last <= o.last
}

// joined says whether the network is somebody else's, so that there is nothing to
// set up but files; another is the container whose it is, "" for none.
func (n *networkFlags) joined() (joined bool, another string) {
	switch form, of := spec.ReadMode(string(n.mode)); form {
	case spec.ModeHost, spec.ModePath:
		return true, ""
	case spec.ModeContainer:
		return of != "", of
	}
	return false, ""
}

// namespace is the network as a namespace.
func (n *networkFlags) namespace() string {
	if joined, another := n.joined(); joined && another == "" {
		return string(n.mode)
	}
	return "private"
}

// joinOrMake is ask as a part of a description.
func (n *networkFlags) joinOrMake(r *lifecycle.Runtime, bundle bool) func(*lifecycle.Options) error {
	return func(o *lifecycle.Options) error { return n.ask(r, o, bundle) }
}

// ask puts what was typed into the options. A bundle says itself what its network
// is, and gets one from us only when asked for.
func (n *networkFlags) ask(r *lifecycle.Runtime, o *lifecycle.Options, bundle bool) error {
	given := n.net.Names.Given()
	joined, another := n.joined()
	n.net.Mode, n.net.Shared = string(n.mode), joined
	switch {
	case joined:
		return n.join(r, o, bundle, given, another)
	case n.mode == "private":
		n.net.Mode = ""
	case bundle && n.mode == "" && len(n.net.Publish) == 0:
		if given != "" {
			return fmt.Errorf("%s: a bundle brings its own files; with --network slirp4netns it gets ours", given)
		}
		return nil
	}
	o.Network = &n.net
	return nil
}

func (n *networkFlags) join(r *lifecycle.Runtime, o *lifecycle.Options, bundle bool, given, another string) error {
	switch {
	case bundle:
		return fmt.Errorf("--network %s: a bundle says in linux.namespaces which network it joins", n.mode)
	case len(n.net.Publish) > 0:
		return fmt.Errorf("--publish: with --network %s ports are opened where that network is; leave --publish out", n.mode)
	case another != "" && given != "":
		return fmt.Errorf("%s: with --network %s the container has that one's files; leave %[1]s out", given, n.mode)
	case another != "":
		return r.JoinNetwork(o.Spec, o.Paths, another)
	case given == "":
		return nil // it has the host's files
	}
	o.Network = &n.net
	return nil
}

// holdNetwork runs one of the processes that hold a network.
func holdNetwork(serve func() error) int {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: "+oneLine(err.Error()))
		return 1
	}
	return 0
}

const portLong = `List, publish or withdraw a container's ports.

  sandbox port ID                    the published ports: inside -> on the host
  sandbox port ID 80/udp             where on the host one of them is
  sandbox port add ID 8080:80/udp    publish more, all or none, as with run --publish; prints them
  sandbox port rm ID 8080/udp        withdraw ports of the host, all or none: [IP:]HOST[-HOST][/udp].
                                     TCP connections that are there go on`

func (a *app) port(cmd *cobra.Command) {
	cmd.Long = portLong
	format := formatFlag(cmd, "")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		a.human = true
		switch {
		case len(args) > 2 && args[0] == "add":
			ports, err := r.AddPorts(args[1], args[2:])
			if err != nil {
				return err
			}
			return printPorts(ports, *format)
		case len(args) > 2 && args[0] == "rm":
			return r.RemovePorts(args[1], args[2:])
		case len(args) == 0, len(args) > 2, len(args) == 2 && (args[0] == "add" || args[0] == "rm"):
			return &usageError{fmt.Errorf("want ID [PORT], add ID PORT... or rm ID HOSTPORT... (see 'sandbox port --help')"), 1}
		}
		return a.listPorts(r, args[0], args[1:], *format)
	}
}

func (a *app) listPorts(r *lifecycle.Runtime, id string, only []string, format format) error {
	ports, said, err := r.Ports(id)
	if err != nil {
		return err
	}
	if said != "" {
		a.warn("its network said last: " + said)
	}
	if len(only) == 0 {
		return printPorts(ports, format)
	}
	if ports, err = lifecycle.PublishedAt(ports, only[0]); err != nil {
		return err
	}
	if format == "json" {
		return printPorts(ports, format)
	}
	for _, p := range ports {
		fmt.Println(p.At())
	}
	return nil
}

func printPorts(ports []lifecycle.Port, format format) error {
	if format == "json" {
		if ports == nil {
			ports = []lifecycle.Port{}
		}
		return printLine(ports)
	}
	for _, p := range ports {
		fmt.Println(p)
	}
	return nil
}
