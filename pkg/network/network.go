package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"sandbox/pkg/helper"
	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/slirp"

	"golang.org/x/sys/unix"
)

// Gate is passed when the network namespace is there and its ids are
// mapped. The network is made while the child goes on; a later one waits for it.
const Gate = "network"

// networkLog, in state.NetworkDir, is what the helper of a detached container says.
const networkLog = "log"

// Wish is what was asked for about a container's network.
type Wish struct {
	Mode    string   // a carrier, with options; "" is what this host can do
	Shared  bool     // the network is another's, and only the files are ours
	Publish []string // ports, as typed
	Names   slirp.Names
}

// Host is what a network is decided by.
type Host struct {
	Helpers *helper.Finder
	Kernel  *kernel.Host
}

// Network is a container's network under way.
type Network struct {
	job     slirp.Job
	Names   slirp.Names
	Dir     *os.File      // the helper's, in the container's
	Short   *kernel.Cause // why it is less than what was meant
	net     *os.File
	user    *os.File
	routes  *os.File // netlink(7) socket of the child's, in the container's network
	ready   *os.File
	helper  *exec.Cmd
	init    *os.File        // pidfd of the container's first process
	held    []*os.File      // the sockets of its ports
	carrier *helper.Program // nil where there is none
	begun   chan error      // whether there is a helper
	late    bool            // it has yet to be started
	failed  chan error      // whether it has been told its job
	door    *os.File        // by which
	warn    func(string)    // nil where the helper's own words reach nobody
}

// Decide checks all that can be checked before anything is made, and
// chooses what was left open.
func (h *Host) Decide(n *Wish, seen bool) (*Network, error) {
	w := &Network{Names: n.Names}
	if err := n.Names.Validate(); err != nil {
		return nil, err
	}
	if n.Shared {
		w.job.Config = *slirp.Shared()
		return w, w.job.CheckNames(&n.Names)
	}
	config, carrier, err := h.choose(n.Mode, seen)
	if err != nil && n.Mode == "" {
		cause := kernel.New(kernel.NetworkNone, err.Error())
		var known *kernel.Refusal
		if errors.As(err, &known) {
			cause = known.Cause
		}
		w.Short = &cause
		carrier = nil
		config, err = slirp.ParseMode(slirp.None)
	}
	if err != nil {
		return nil, err
	}
	if err := config.CheckNames(&n.Names); err != nil {
		return nil, err
	}
	w.job.Config, w.carrier = *config, carrier
	if carrier != nil {
		w.job.Carrier, w.job.Own = carrier.Path, carrier.File != nil
	}
	for _, value := range n.Publish {
		list, err := slirp.ParsePorts(value)
		if err != nil {
			return nil, fmt.Errorf("--publish %q: %w", value, err)
		}
		w.job.Ports = append(w.job.Ports, list...)
	}
	if err := w.job.CheckPorts(w.job.Ports); err != nil {
		return nil, fmt.Errorf("--publish: %w", err)
	}
	return w, nil
}

// Reserve takes the ports now, so that the helper finds them free. Where something
// else will listen it can only look.
func (w *Network) Reserve() (err error) {
	if w.held, err = w.job.Reserve(w.job.Ports); err != nil {
		return fmt.Errorf("--publish: %w", err)
	}
	return nil
}

// choose is what is to carry packets, and by which program, if it can work
// here. Where the container sees us nothing is chosen for it; what was asked for is
// refused, by who makes it.
func (h *Host) choose(mode string, seen bool) (config *slirp.Config, carrier *helper.Program, err error) {
	if mode == "" && seen {
		return nil, nil, &kernel.Refusal{Cause: kernel.New(kernel.NetworkSeen)}
	}
	if mode == "" {
		config, err = slirp.Choose(h.Helpers)
	} else {
		config, err = slirp.ParseMode(mode)
	}
	if err != nil || !config.Carries() {
		return config, nil, err
	}
	if carrier, err = config.Program(h.Helpers); err != nil {
		return nil, nil, fmt.Errorf("--network %s: %w", config.Kind, err)
	}
	if err := config.OpenTun(); err != nil {
		return nil, nil, h.Kernel.Because(kernel.Op{Do: kernel.OpenTun, Path: slirp.Tun}, fmt.Errorf("--network %s: %w", config.Kind, err))
	}
	return config, carrier, nil
}

// Needed says whether there is anything to do beside the child.
func (w *Network) Needed() bool {
	return w != nil && (w.job.Carries() || len(w.job.Ports) > 0)
}

// Words are the mode and the ports, for people.
func (w *Network) Words() string {
	s := w.job.Kind
	for _, p := range w.job.Ports {
		s += ", " + p.String()
	}
	return s
}

// Open opens the namespaces while nobody has hidden them from us.
func (w *Network) Open(pid int, own bool) error {
	if !w.Needed() {
		return nil
	}
	var err error
	if w.net, err = os.Open(proc.Dir(pid) + "/ns/net"); err != nil {
		return fmt.Errorf("open the container's network namespace: %w", err)
	}
	if w.job.Userns = own; own {
		if w.user, err = os.Open(proc.Dir(pid) + "/ns/user"); err != nil {
			return fmt.Errorf("open the container's user namespace: %w", err)
		}
	}
	return nil
}

// Take is for what the child hands over before it comes to the gate; false: it is none of the network's.
func (w *Network) Take(f *os.File) (bool, error) {
	if !w.Needed() || !w.job.Shuts() || w.routes != nil {
		return false, nil
	}
	w.routes = f
	fd := int(f.Fd())
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	protocol, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || err2 != nil || domain != unix.AF_NETLINK || protocol != unix.NETLINK_ROUTE {
		return true, errors.New("network: the child's socket is not one of rtnetlink")
	}
	// Whoever has the child's way to us might send one of another network.
	ns, err := unix.IoctlRetInt(fd, unix.SIOCGSKNS)
	if err != nil {
		return true, fmt.Errorf("network: look whose socket the child's is (SIOCGSKNS): %w", err)
	}
	defer unix.Close(ns)
	var its, ours unix.Stat_t
	if unix.Fstat(ns, &its) != nil || unix.Fstat(int(w.net.Fd()), &ours) != nil || its.Ino != ours.Ino || its.Dev != ours.Dev {
		return true, errors.New("network: the child's socket is of another network")
	}
	return true, nil
}

// HostLoopback says whether the host's loopback is meant to be reached.
func (w *Network) HostLoopback() bool { return w.job.HostLoopback }

// Granted says whether packets are to be carried, and as was meant.
func (w *Network) Granted() bool { return w != nil && w.Short == nil && w.job.Carries() }
