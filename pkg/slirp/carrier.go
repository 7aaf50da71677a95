package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
)

// Tun is the device that all carriers make a tap of.
const Tun = "/dev/net/tun"

// OpenTun tries whether it can be opened, as the kernel checks it for them, and
// whether it is one: anything may have that name.
func OpenTun() error {
	fd, err := unix.Open(Tun, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: Tun, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.IoctlGetInt(fd, unix.TUNGETFEATURES); err != nil {
		return ErrNoTun
	}
	return nil
}

// ErrNoTun is something else in the device's place.
var ErrNoTun = errors.New(Tun + " is no tun device: sudo rm " + Tun + " && sudo mknod -m 0666 " + Tun + " c 10 200")

// install is the advice for a host without a carrier.
const install = "install slirp4netns or passt (Debian: sudo apt install slirp4netns; Fedora: sudo dnf install slirp4netns)"

// Choose is the default: slirp4netns, else pasta, whichever is installed.
func Choose(helpers *helper.Finder) (*Config, error) {
	var refused []string
	for _, kind := range []string{Slirp4netns, Pasta} {
		_, err := helpers.Find(kind, nil)
		if err == nil {
			return ParseMode(kind)
		}
		if text := refusal(err); text != "" {
			refused = append(refused, text)
		}
	}
	return nil, errors.New(strings.Join(append(refused, install), "; "))
}

// refusal says why a program that is there is not run, "" for one that is not.
func refusal(err error) string {
	var missing *helper.MissingError
	if errors.As(err, &missing) && len(missing.Refused) == 0 {
		return ""
	}
	return err.Error()
}

// Program is the carrier of c, nil where there is none; it is there, and what was said of this host is true.
func (c *Config) Program(helpers *helper.Finder) (*helper.Program, error) {
	if c.Kind == None {
		return nil, nil
	}
	program, err := helpers.Find(c.Kind, nil)
	if err != nil {
		return nil, explain(c.Kind, err)
	}
	return program, c.available()
}

// explain names the package of a program that is not there.
func explain(program string, err error) error {
	if refusal(err) != "" {
		return err
	}
	pkg := program
	if program == Pasta {
		pkg = "passt"
	}
	return fmt.Errorf("%w (Debian: sudo apt install %s; Fedora: sudo dnf install %s)", err, pkg, pkg)
}

// available checks what was said of this host.
func (c *Config) available() error {
	for option, value := range map[string]string{"outbound_addr": c.Outbound, "outbound_addr6": c.Outbound6} {
		if err := here(value); err != nil {
			return fmt.Errorf("option %q: %w", option+"="+value, err)
		}
	}
	return nil
}

// here checks that this host has an address, or a device of that name.
func here(value string) error {
	a, err := netip.ParseAddr(value)
	if value == "" || err != nil {
		if _, err := net.InterfaceByName(value); value != "" && err != nil {
			return fmt.Errorf("this host has no network device of that name; 'ip link' lists them")
		}
		return nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, at := range all {
		if p, err := netip.ParsePrefix(at.String()); err == nil && p.Addr() == a.Unmap() {
			return nil
		}
	}
	return fmt.Errorf("no network device of this host has that address; 'ip address' lists them")
}

// tapDevice is the container's, with either carrier.
const tapDevice = "tap0"

// Files of a network's directory, besides RootlessKit's.
const (
	apiSocket     = "api.sock"
	controlSocket = "control.sock"
)

// slirpArgs is slirp4netns's command line (slirp4netns(1)). ready is its
// descriptor, net and user those of the namespaces; user is -1 without one. It ends
// by PR_SET_PDEATHSIG, so --exit-fd would say the same twice.
func (c *Config) slirpArgs(ready, net, user int) []string {
	args := []string{
		"--configure", "--mtu=" + strconv.Itoa(c.mtu()), "--cidr=" + c.CIDR.String(),
		"--ready-fd=" + strconv.Itoa(ready),
		"--enable-seccomp", "--netns-type=path",
	}
	if user < 0 { // else it would want root of that namespace
		args = append(args, "--enable-sandbox")
	}
	if !c.HostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	if c.IPv6 {
		args = append(args, "--enable-ipv6")
	}
	if c.Outbound != "" {
		args = append(args, "--outbound-addr="+c.Outbound)
	}
	if c.Outbound6 != "" {
		args = append(args, "--outbound-addr6="+c.Outbound6)
	}
	if c.Handler == Own {
		args = append(args, "--api-socket="+apiSocket)
	}
	if user >= 0 {
		args = append(args, fmt.Sprintf("--userns-path=/proc/self/fd/%d", user))
	}
	return append(args, fmt.Sprintf("/proc/self/fd/%d", net), tapDevice)
}
