package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/helper"
	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/slirp"
	"sandbox/pkg/state"
)

// gateNetwork is passed when the network namespace is there and its ids are
// mapped. The network is made while the child goes on; gateReady waits for it.
const gateNetwork = "network"

// networkLog, in state.NetworkDir, is what the helper of a detached container says.
const networkLog = "log"

// Network is what was asked for about a container's network.
type Network struct {
	Mode    string   // slirp4netns, pasta or none, with options; "" is what this host can do; host or ns:PATH for the files alone
	Publish []string // ports, as typed
	Names   slirp.Names
}

// network is a container's network under way.
type network struct {
	job     slirp.Job
	names   slirp.Names
	dir     *os.File      // the helper's, in the container's
	short   *kernel.Cause // why it is less than what was meant
	net     *os.File
	user    *os.File
	ready   *os.File
	helper  *exec.Cmd
	init    *os.File        // pidfd of the container's first process
	held    []*os.File      // the sockets of its ports
	carrier *helper.Program // nil where there is none
	failed  chan error
	warn    func(string) // nil where the helper's own words reach nobody
}

// decideNetwork checks all that can be checked before anything is made, and
// chooses what was left open.
func (r *Runtime) decideNetwork(n *Network, s *specs.Spec) (*network, error) {
	w := &network{names: n.Names}
	if err := n.Names.Validate(); err != nil {
		return nil, err
	}
	if n.shared() {
		w.job.Config = *slirp.Shared()
		return w, w.job.CheckNames(&n.Names)
	}
	config, carrier, err := r.chooseNetwork(n.Mode, seesUs(s))
	if err != nil && n.Mode == "" {
		cause := kernel.New(kernel.NetworkNone, err.Error())
		var known *kernel.Refusal
		if errors.As(err, &known) {
			cause = known.Cause
		}
		w.short = &cause
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

// reserve takes the ports now, so that the helper finds them free. Where something
// else will listen it can only look.
func (w *network) reserve() (err error) {
	if w.held, err = slirp.Reserve(w.job.Ports); err != nil {
		return fmt.Errorf("--publish: %w", err)
	}
	if w.job.Handler != slirp.Builtin {
		slirp.Release(w.held)
		w.held = nil
	}
	return nil
}

// shared says whether the network is another's, and only the files are ours.
func (n *Network) shared() bool { return n.Mode == "host" || strings.HasPrefix(n.Mode, "ns:") }

// chooseNetwork is what is to carry packets, and by which program, if it can work
// here. Where the container sees us nothing is chosen for it; what was asked for is
// refused, see [program.apart].
func (r *Runtime) chooseNetwork(mode string, seen bool) (config *slirp.Config, carrier *helper.Program, err error) {
	if mode == "" && seen {
		return nil, nil, &kernel.Refusal{Cause: kernel.New(kernel.NetworkSeen)}
	}
	if mode == "" {
		config, err = slirp.Choose(&r.Helpers)
	} else {
		config, err = slirp.ParseMode(mode)
	}
	if err != nil || config.Kind == slirp.None {
		return config, nil, err
	}
	if carrier, err = config.Program(&r.Helpers); err != nil {
		return nil, nil, fmt.Errorf("--network %s: %w", config.Kind, err)
	}
	if err := slirp.OpenTun(); err != nil {
		return nil, nil, r.because(kernel.Op{Do: kernel.OpenTun, Path: slirp.Tun}, fmt.Errorf("--network %s: %w", config.Kind, err))
	}
	return config, carrier, nil
}

// offerNetwork decides, and shows the container the files that speak of its
// network.
func (r *Runtime) offerNetwork(d *state.Dir, o *Options) error {
	if o.Network == nil {
		return nil
	}
	if !o.Network.shared() && !freshNetwork(o.Spec) {
		return fmt.Errorf("--network: linux.namespaces has no network namespace of the container's own")
	}
	w, err := r.decideNetwork(o.Network, o.Spec)
	if err != nil {
		return err
	}
	o.network = w
	w.names.Hostname = o.Spec.Hostname
	if d == nil {
		return r.showFiles(w, o)
	}
	if err := w.reserve(); err != nil {
		return err
	}
	if w.dir, err = d.Sub(state.NetworkDir, 0o711); err == nil {
		err = r.showFiles(w, o)
	}
	if err != nil {
		return r.because(kernel.Op{Do: kernel.UseRuntime, Path: d.Path}, fmt.Errorf("record the network: %w", err))
	}
	return nil
}

// freshNetwork says whether a spec makes a network namespace.
func freshNetwork(s *specs.Spec) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			return n.Path == ""
		}
	}
	return false
}

func (w *network) needed() bool {
	return w != nil && (w.job.Kind != slirp.None || len(w.job.Ports) > 0)
}

func (w *network) words() string {
	s := w.job.Kind
	for _, p := range w.job.Ports {
		s += ", " + p.String()
	}
	return s
}

// born opens the namespaces while nobody has hidden them from us.
func (w *network) born(pid int, own bool) error {
	if !w.needed() {
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
