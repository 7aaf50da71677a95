package slirp

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pastaArgs is pasta's command line (passt(1)); holder is a process in the
// container's namespaces, user says whether there is a user namespace among them.
// What the caller has said in pasta's own words is not said twice.
func (c *Config) pastaArgs(ports []Port, holder int, user bool) []string {
	args := []string{"--config-net", "--foreground", "--quiet"}
	add := func(words []string, names ...string) {
		if !c.extra(names...) {
			args = append(args, words...)
		}
	}
	add([]string{"--ns-ifname", tapDevice}, "-I", "--ns-ifname")
	add([]string{"--mtu", strconv.Itoa(c.mtu())}, "-m", "--mtu")
	add([]string{"-T", "none"}, "-T", "--tcp-ns")
	add([]string{"-U", "none"}, "-U", "--udp-ns")
	if !c.HostLoopback {
		add([]string{"--no-map-gw"}, "--no-map-gw", "--map-host-loopback")
	}
	if !c.IPv6 {
		add([]string{"--ipv4-only"}, "-4", "--ipv4-only", "-6", "--ipv6-only")
	}
	if d := c.forwarded(); d != "" {
		args = append(args, "--dns-forward", d)
	}
	add(forwards(ports, "tcp", "-t"), "-t", "--tcp-ports")
	add(forwards(ports, "udp", "-u"), "-u", "--udp-ports")
	args = append(args, c.Extra...)
	if user {
		return append(args, strconv.Itoa(holder))
	}
	if os.Geteuid() == 0 { // else it would become nobody, who may not look at the holder
		args = append(args, "--runas", "0:0")
	}
	return append(args, "--netns-only", "--netns", fmt.Sprintf("/proc/%d/ns/net", holder))
}

func forwards(ports []Port, proto, flag string) []string {
	var args []string
	for _, p := range ports {
		if p.Proto == proto {
			args = append(args, flag, p.pasta())
		}
	}
	if args == nil {
		return []string{flag, "none"}
	}
	return args
}

// extra says whether the caller has given pasta one of these flags.
func (c *Config) extra(names ...string) bool {
	_, found := c.extraValue(names...)
	return found
}

// extraValue is what stands behind such a flag: in the next word, behind "=", or
// right behind a letter.
func (c *Config) extraValue(names ...string) (value string, found bool) {
	for i, word := range c.Extra {
		for _, name := range names {
			rest, ok := strings.CutPrefix(word, name)
			switch long := strings.HasPrefix(name, "--"); {
			case !ok:
			case rest == "" && i+1 < len(c.Extra):
				return c.Extra[i+1], true
			case rest == "" || !long && !strings.HasPrefix(word, "--") || long && rest[0] == '=':
				return strings.TrimPrefix(rest, "="), true
			}
		}
	}
	return "", false
}

// device is the container's.
func (c *Config) device() string {
	if name, ok := c.extraValue("-I", "--ns-ifname"); ok && c.Kind == Pasta {
		return name
	}
	return tapDevice
}

// pasta is a port in pasta's words.
func (p Port) pasta() string {
	ip := ""
	if p.HostIP != "" {
		ip = strings.Trim(p.HostIP, "[]") + "/"
	}
	return fmt.Sprintf("%s%d:%d", ip, p.Host, p.Container)
}

// pastaOption takes a word of pasta's own command line, as podman has them behind
// the colon: a word behind a flag belongs to it. It says whether it was one.
func (c *Config) pastaOption(word string, after bool) bool {
	name, _, _ := strings.Cut(word, "=")
	switch {
	case word == "--map-gw": // podman's name for what we have one too
		c.HostLoopback = true
	case strings.HasPrefix(word, "-"), after && !slices.Contains(commonOptions, name):
		c.Extra = append(c.Extra, word)
	default:
		return false
	}
	return true
}

// startPasta waits for the default route, the last that pasta makes in the
// container; the file with its pid, which comes then too, is not its to write where
// AppArmor confines it. pasta finds the namespaces by a process in them, which must
// be one that it may look at whatever the payload is.
func (h *Helper) startPasta(c *carrier) error {
	if err := h.hold(); err != nil {
		return err
	}
	var own []Port
	if h.Handler == Own {
		own = h.Ports
	}
	c.program.Args = append([]string{Pasta}, h.pastaArgs(own, h.holder.Pid, h.Userns)...)
	if err := h.spawn(c); err != nil {
		return err
	}
	holder := strconv.Itoa(h.holder.Pid)
	var some time.Time // when there was a route first
	partial := len(h.Extra) > 0 || !routed("self", "")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if some.IsZero() && connected(holder, h.device()) {
			some = time.Now()
		}
		// The caller's own options may leave no default route, and a host without
		// one has none to copy (pasta of 2025).
		if routed(holder, h.device()) || partial && !some.IsZero() && time.Since(some) > settled {
			return nil
		}
		select {
		case <-c.gone:
			return h.notReady(c, false)
		default:
		}
	}
	return h.notReady(c, true)
}

// settled is how long after its first route pasta has made the last.
const settled = 300 * time.Millisecond

// hold has a process in the namespaces.
func (h *Helper) hold() error {
	if !h.holder.ended() {
		return nil
	}
	p, err := h.start(&Program{Hold: true, User: h.Userns, Net: true})
	if err != nil {
		return fmt.Errorf("enter the network: %w", err)
	}
	h.mu.Lock()
	h.holder = p
	h.mu.Unlock()
	return nil
}
