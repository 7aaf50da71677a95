package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sandbox/pkg/lifecycle"
)

// networkFlags are podman's.
type networkFlags struct {
	mode string
	net  lifecycle.Network
}

func (n *networkFlags) add(f *pflag.FlagSet) {
	w := &n.net
	f.StringVar(&n.mode, "network", "", "network: `MODE` slirp4netns[:OPTIONS], pasta[:OPTIONS], none, host, ns:PATH or container:ID (default: the first that works here)")
	f.VarP(each(&w.Publish), "publish", "p", "publish a port: `[IP:][HOST]:CONTAINER[/udp]`, or ranges")
	f.Var(each(&w.Names.DNS), "dns", "ask the DNS server at `ADDRESS`")
	f.Var(each(&w.Names.Search), "dns-search", "search names in `DOMAIN`")
	f.Var(each(&w.Names.Options), "dns-option", "resolver `OPTION`")
	f.Var(each(&w.Names.Hosts), "add-host", "add `NAME:IP` to /etc/hosts; the host itself is NAME:host-gateway")
	f.BoolVar(&w.Names.NoHosts, "no-hosts", false, "leave /etc/hosts as it is")
}

// joined says whether the network is somebody else's, so that there is nothing to
// set up.
func (n *networkFlags) joined() bool {
	return n.mode == "host" || strings.HasPrefix(n.mode, "ns:") || strings.HasPrefix(n.mode, "container:")
}

// namespace is the network as a namespace.
func (n *networkFlags) namespace() string {
	if n.joined() && !n.another() {
		return n.mode
	}
	return "private"
}

// another says whether the network is another container's.
func (n *networkFlags) another() bool { return strings.HasPrefix(n.mode, "container:") }

// ask puts what was typed into the options. A bundle says itself what its network
// is, and gets one from us only when asked for.
func (n *networkFlags) ask(r *lifecycle.Runtime, o *lifecycle.Options, bundle bool) error {
	if n.joined() {
		if bundle {
			return fmt.Errorf("--network %s: a bundle says in linux.namespaces which network it joins", n.mode)
		}
		if len(n.net.Publish) > 0 {
			return fmt.Errorf("--publish: with --network %s ports are opened where that network is; leave --publish out", n.mode)
		}
		if n.another() {
			return r.JoinNetwork(o.Spec, strings.TrimPrefix(n.mode, "container:"))
		}
		return nil
	}
	n.net.Mode = n.mode
	if n.mode == "private" {
		n.net.Mode = ""
	}
	if !bundle || n.mode != "" || len(n.net.Publish) > 0 {
		o.Network = &n.net
	}
	return nil
}

// helper runs one of the processes that hold a network.
func helper(serve func() error) int {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: "+err.Error())
		return 1
	}
	return 0
}

const portLong = `List, publish or withdraw a container's ports.

  sandbox port ID                    the published ports: inside -> on the host
  sandbox port add ID 8080:80/udp    publish one more, as with run --publish
  sandbox port rm ID 8080/udp        withdraw a port of the host; connections that are there go on`

func (a *app) port(cmd *cobra.Command) {
	cmd.Long = portLong
	format := cmd.Flags().String("format", "table", "`FORMAT` table or json")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if *format != "table" && *format != "json" {
			return &usageError{fmt.Errorf("invalid --format %q: table or json", *format), 1}
		}
		r, err := a.runtime()
		if err != nil {
			return err
		}
		switch {
		case len(args) > 2 && args[0] == "add":
			_, err := r.Ports(args[1], args[2:], "")
			return err
		case len(args) > 2 && args[0] == "rm":
			for _, port := range args[2:] {
				if _, err := r.Ports(args[1], nil, port); err != nil {
					return err
				}
			}
			return nil
		case len(args) != 1:
			return &usageError{fmt.Errorf("want ID, add ID PORT... or rm ID HOSTPORT... (see 'sandbox port --help')"), 1}
		}
		ports, err := r.Ports(args[0], nil, "")
		if err != nil {
			return err
		}
		if *format == "json" {
			if ports == nil {
				ports = []lifecycle.Port{}
			}
			return json.NewEncoder(os.Stdout).Encode(ports)
		}
		for _, p := range ports {
			fmt.Println(p)
		}
		return nil
	}
}
