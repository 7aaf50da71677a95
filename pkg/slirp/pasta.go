package slirp

import (
	"errors"
	"fmt"
	"net/netip"
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
	if len(reachable(hostResolver().servers)) == 0 {
		args = append(args, "--dns-forward", pastaDNS)
	}
	add(forwards(ports, "tcp", "-t"), "-t", "--tcp-ports")
	add(forwards(ports, "udp", "-u"), "-u", "--udp-ports")
	if len(ports) > 0 && !c.before2024 {
		add([]string{toLoopback}, toLoopback)
	}
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
	if name, ok := c.extraValue("-I", "--ns-ifname"); ok {
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
// the colon: a word behind a flag belongs to it.
func (c *Config) pastaOption(word, before string) error {
	switch {
	case word == "--map-gw": // podman's name for what we have one too
		c.HostLoopback = true
	case strings.HasPrefix(word, "-"), strings.HasPrefix(before, "-"):
		c.Extra = append(c.Extra, word)
	default:
		return fmt.Errorf("unknown, want mtu=, enable_ipv6=, allow_host_loopback= or pasta's own flags")
	}
	return nil
}

// pastaHost is the gateway inside, which is the host's, and whose packets pasta then takes for this host.
func (c *Config) pastaHost() netip.Addr {
	if !c.HostLoopback {
		return netip.Addr{}
	}
	for _, flag := range [][]string{{"--map-host-loopback"}, {"-g", "--gateway"}} {
		value, _ := c.extraValue(flag...)
		if a, err := netip.ParseAddr(value); err == nil {
			return a
		}
	}
	return hostGateway()
}

// pastaDNS is the address at which pasta answers for resolvers that only the
// host reaches.
const pastaDNS = "169.254.1.1"

func pastaResolvers(_ *Config, host []string) []string {
	if list := reachable(host); len(list) > 0 {
		return list
	}
	return []string{pastaDNS}
}

// addToPasta takes a port that pasta was started with.
func (h *Helper) addToPasta(p Port, _ *os.File) error {
	if slices.Contains(h.Ports, p) {
		h.findServer(p)
		return nil
	}
	return errors.New("pasta publishes ports at its start only: --network slirp4netns can add them later")
}

func (h *Helper) removeFromPasta(Port) error {
	return errors.New("pasta keeps the ports of its start: --network slirp4netns can remove them")
}

// startPasta waits for the default route, the last that pasta makes in the
// container; the file with its pid, which comes then too, is not its to write where
// AppArmor confines it. pasta finds the namespaces by a process in them, which must
// be one that it may look at whatever the payload is.
func (h *Helper) startPasta(c *running) error {
	if err := h.hold(); err != nil {
		return err
	}
	c.program.Args = append([]string{"pasta"}, h.pastaArgs(h.Ports, h.holder.Pid, h.Userns)...)
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
			return h.pastaNotReady(c, false)
		default:
		}
	}
	return h.pastaNotReady(c, true)
}

// toLoopback has clients on the host's loopback arrive on the container's, where a server may listen alone. A pasta of before
// October 2024 does so anyway, and refuses the option.
const toLoopback = "--host-lo-to-ns-lo"

// errBefore2024 is the refusal, after which pasta can be started without.
var errBefore2024 = errors.New("pasta is from before October 2024")

func (h *Helper) pastaNotReady(c *running, late bool) error {
	if !late && !h.before2024 && refuses(c, toLoopback) {
		h.before2024 = true
		return errBefore2024
	}
	refused, hint := "", ""
	if len(h.Extra) > 0 {
		refused = fmt.Sprintf("pasta refuses one of its options (%s)", strings.Join(h.Extra, " "))
	}
	if !routed("self", "") {
		hint = "; pasta copies the addresses and routes of this host, which has no default route: add one, or take --network slirp4netns"
	}
	return h.notReady(c, late, refused, hint)
}

func refuses(c *running, option string) bool {
	<-c.gone
	c.last()
	text := c.said.String()
	return refusesOption(text) && strings.Contains(text, option)
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
