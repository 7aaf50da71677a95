package slirp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slirp4netns and pasta send what comes for a port to one address inside, and cannot try another as our driver does. So the
// helper looks at which address the port's first server listens.

// findServer has a port's server looked for.
func (h *Helper) findServer(p Port) {
	h.sought[p] = true
	if !h.finding {
		h.finding = true
		go h.findServers()
	}
}

func (h *Helper) forgetServer(p Port) {
	delete(h.sought, p)
	delete(h.guests, p)
}

// findServers looks until each port has one, at last once a second.
func (h *Helper) findServers() {
	for pause := 20 * time.Millisecond; h.found() && !h.ending(); pause = min(pause*5/4, time.Second) {
		time.Sleep(pause)
	}
}

// found tells the handler of servers on loopback alone, and says whether ports are left without a server.
func (h *Helper) found() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.sought {
		own, loopback := listening(strconv.Itoa(h.Init), p)
		if !own && !loopback {
			continue
		}
		delete(h.sought, p)
		if own {
			continue
		}
		if err := h.handler().atLoopback(h, p); err != nil {
			h.say("%v", err)
		}
	}
	h.finding = len(h.sought) > 0
	return h.finding
}

// forwardToLoopback leads a port of slirp4netns's own handler to 127.0.0.1. A server on all addresses would not do there: it
// sends UDP answers from the container's own, and slirp4netns would not know them. The kernel takes packets for 127.0.0.1
// from a device where net.ipv4.conf.DEVICE.route_localnet is set, see package network.
func (h *Helper) forwardToLoopback(p Port) error {
	if _, published := h.ids[p]; !published {
		return nil // slirp4netns has ended, and its next start publishes the port and finds its server
	}
	if err := ask("remove_hostfwd", map[string]int{"id": h.ids[p]}, nil); err != nil {
		return fmt.Errorf("lead port %s to 127.0.0.1 inside: %w", p.where(), err)
	}
	delete(h.ids, p)
	h.guests[p] = loopback4.String()
	if err := h.forward(p); err != nil {
		h.ports = slices.DeleteFunc(h.ports, func(q Port) bool { return p == q })
		return errors.Join(err, fmt.Errorf("port %s is published no more", p.where()))
	}
	return nil
}

// sayLoopback says who does not reach a server through pasta, which passes on to loopback what comes from loopback, and all
// else to the container's own address.
func (h *Helper) sayLoopback(p Port) error {
	if a, err := netip.ParseAddr(p.HostIP); err == nil && a.IsLoopback() {
		return nil
	}
	return fmt.Errorf("port %s: its server listens on 127.0.0.1 alone, so with pasta only clients on this host's 127.0.0.1 reach it: let it listen on 0.0.0.0, or take --network slirp4netns", p.where())
}

// listening says whether a server of a port listens on an address at which the network of a process is reached from outside,
// or on 127.0.0.1 (proc_pid_net(5)).
func listening(process string, p Port) (own, loopback bool) {
	const tcpListen, udpUnconnected = "0A", "07" // TCP_LISTEN and TCP_CLOSE of linux/tcp_states.h
	state := tcpListen
	if p.Proto == "udp" {
		state = udpUnconnected
	}
	port := fmt.Sprintf(":%04X", p.Container)
	for _, file := range []string{p.Proto, p.Proto + "6"} {
		for _, w := range table(process, file) {
			if len(w) < 4 || w[3] != state {
				continue
			}
			switch ip, found := strings.CutSuffix(w[1], port); {
			case !found:
			case ip == local4 || ip == mapped4:
				loopback = true
			case ip != local6:
				own = true
			}
		}
	}
	return own, loopback
}

// The loopback addresses as /proc has them, in words of this processor's order: 127.0.0.1, the same as IPv6 has it, and ::1.
var (
	local4  = hex(127, 0, 0, 1)
	mapped4 = zeros + zeros + hex(0, 0, 255, 255) + local4
	local6  = zeros + zeros + zeros + hex(0, 0, 0, 1)
)

const zeros = "00000000"

func hex(b ...byte) string { return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b)) }
