package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
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
func Choose() (*Config, error) {
	for _, kind := range []string{Slirp4netns, Pasta} {
		if _, err := find(kind); err == nil {
			return ParseMode(kind)
		}
	}
	return nil, errors.New(install)
}

// Available checks that the carrier of c is there, and what was said of this host.
func (c *Config) Available() error {
	if c.Kind == None {
		return nil
	}
	if _, err := find(c.Kind); err != nil {
		return err
	}
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

// find also looks where an ordinary user's PATH does not.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"} {
		if unix.Access(dir+"/"+program, unix.X_OK) == nil {
			return dir + "/" + program, nil
		}
	}
	pkg := program
	if program == Pasta {
		pkg = "passt"
	}
	return "", fmt.Errorf("%s is not installed (Debian: sudo apt install %s; Fedora: sudo dnf install %s)", program, pkg, pkg)
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
