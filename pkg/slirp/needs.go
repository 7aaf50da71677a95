package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
)

// Tun is the device that carriers make a tap of.
const Tun = "/dev/net/tun"

// OpenTun tries whether it can be opened, as the kernel checks it for the carrier
// that needs it, and whether it is one: anything may have that name.
func (c *Config) OpenTun() error {
	if !c.carrier().tun {
		return nil
	}
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

// Choose is the default: the first carrier of the table that is installed.
func Choose(helpers *helper.Finder) (*Config, error) {
	var refused []string
	for _, r := range carriers() {
		if r.start == nil {
			continue
		}
		_, err := r.find(helpers)
		if err == nil {
			return ParseMode(r.name)
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

// find is the carrier's program, nil where it needs none.
func (r *carrier) find(helpers *helper.Finder) (*helper.Program, error) {
	if r.program == "" {
		return nil, nil
	}
	return helpers.Find(r.program, nil)
}

// Program is that of c's carrier, nil where it needs none; it is there, and what was said of this host is true.
func (c *Config) Program(helpers *helper.Finder) (*helper.Program, error) {
	r := c.carrier()
	program, err := r.find(helpers)
	if err != nil {
		if refusal(err) == "" {
			err = fmt.Errorf("%w (Debian: sudo apt install %[2]s; Fedora: sudo dnf install %[2]s)", err, r.pkg)
		}
		return nil, err
	}
	return program, c.available()
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
