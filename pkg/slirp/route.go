package slirp

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// routed says whether a process's network has a default route through a device, or
// through any (proc_pid_net(5)).
func routed(process, device string) bool {
	if _, ok := defaultRoute(process, device); ok {
		return true
	}
	for _, w := range table(process, "ipv6_route") {
		if len(w) > 9 && strings.Trim(w[0], "0") == "" && w[1] == "00" && w[9] != "lo" && (device == "" || w[9] == device) {
			return true
		}
	}
	return false
}

// connected says whether there is any route through a device.
func connected(process, device string) bool {
	for file, field := range map[string]int{"route": 0, "ipv6_route": 9} {
		for _, w := range table(process, file) {
			if len(w) > field && w[field] == device {
				return true
			}
		}
	}
	return false
}

// defaultRoute is the gateway of IPv4's, and whether there is a route.
func defaultRoute(process, device string) (netip.Addr, bool) {
	for _, w := range table(process, "route") {
		if len(w) < 8 || strings.Trim(w[1]+w[7], "0") != "" || device != "" && w[0] != device {
			continue
		}
		n, err := strconv.ParseUint(w[2], 16, 32) // of this processor's order
		return netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}), err == nil
	}
	return netip.Addr{}, false
}

// hostGateway is this host's, not valid without one.
func hostGateway() netip.Addr {
	a, _ := defaultRoute("self", "")
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// table is the words of a file's lines.
func table(process, file string) (lines [][]string) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%s/net/%s", process, file))
	for line := range strings.Lines(string(b)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}
