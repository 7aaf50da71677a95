package slirp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// ResolvFile is /etc/resolv.conf of the container: what was asked for, else the
// host's, with nameservers that can be reached from inside (resolv.conf(5)). nil
// leaves it as it is.
func (c *Config) ResolvFile(n *Names) []byte {
	if n.noResolv() {
		return nil
	}
	h := hostResolver()
	var servers []string
	switch {
	case len(n.DNS) > 0:
		servers = n.DNS
	case c.Shared:
		servers = h.servers
	default:
		servers = c.carrier().resolvers(c, h.servers)
	}
	search, options := h.search, h.options
	if len(n.Search) > 0 {
		search = n.Search
	}
	if len(n.Options) > 0 {
		options = n.Options
	}
	var b bytes.Buffer
	if len(search) > 0 && (len(search) != 1 || search[0] != ".") {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return append([]byte{}, b.Bytes()...) // empty is no nil: without any, the root's own would count
}

type resolver struct{ servers, search, options []string }

// hostResolver reads the host's file. systemd-resolved's stub says nothing about
// the servers behind it; its other file does.
func hostResolver() resolver {
	var r resolver
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		b, err := readSome(path)
		if err != nil {
			continue
		}
		r = parseResolver(b)
		if len(r.servers) != 1 || r.servers[0] != "127.0.0.53" {
			break
		}
	}
	return r
}

// readSome reads at most what a file of this kind can have.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	n, err := f.Read(b)
	return b[:max(0, n)], err
}

func parseResolver(b []byte) resolver {
	var r resolver
	for _, line := range strings.Split(string(b), "\n") {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if _, err := netip.ParseAddr(words[1]); err == nil {
				r.servers = append(r.servers, words[1])
			}
		case "search", "domain":
			r.search = words[1:]
		case "options":
			r.options = append(r.options, words[1:]...)
		}
	}
	return r
}

// reachable leaves out what is the host's loopback.
func reachable(servers []string) []string {
	var list []string
	for _, s := range servers {
		a, err := netip.ParseAddr(s)
		if err == nil && !a.IsLoopback() && !a.IsUnspecified() && a.Zone() == "" {
			list = append(list, s)
		}
	}
	return list
}
