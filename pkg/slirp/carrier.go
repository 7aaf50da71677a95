package slirp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Tun is the device that all carriers make a tap of.
const Tun = "/dev/net/tun"

// OpenTun tries whether it can be opened; the kernel checks the same for them.
func OpenTun() error {
	fd, err := unix.Open(Tun, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: Tun, Err: err}
	}
	return unix.Close(fd)
}

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

// Installed checks that the carrier of c is there.
func (c *Config) Installed() error {
	if c.Kind == None {
		return nil
	}
	_, err := find(c.Kind)
	return err
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

// pastaArgs is pasta's command line (passt(1)); holder is a process in the
// container's namespaces, user says whether there is a user namespace among them.
func (c *Config) pastaArgs(ports []Port, holder int, user bool) []string {
	args := []string{
		"--config-net", "--foreground", "--quiet", "--ns-ifname", tapDevice, "--mtu", strconv.Itoa(c.mtu()),
		"-T", "none", "-U", "none",
	}
	if !c.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	if !c.IPv6 {
		args = append(args, "--ipv4-only")
	}
	if d := c.forwarded(); d != "" {
		args = append(args, "--dns-forward", d)
	}
	for _, one := range []struct{ flag, proto string }{{"-t", "tcp"}, {"-u", "udp"}} {
		some := false
		for _, p := range ports {
			if p.Proto == one.proto {
				args, some = append(args, one.flag, p.pasta()), true
			}
		}
		if !some {
			args = append(args, one.flag, "none")
		}
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

// pasta is a port in pasta's words.
func (p Port) pasta() string {
	ip := ""
	if p.HostIP != "" {
		ip = strings.Trim(p.HostIP, "[]") + "/"
	}
	return fmt.Sprintf("%s%d:%d", ip, p.Host, p.Container)
}
