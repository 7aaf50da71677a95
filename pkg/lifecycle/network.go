package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/slirp"
)

// gateNetwork is passed when the network namespace is there and its ids are
// mapped. The network is made while the child goes on; gateReady waits for it.
const gateNetwork = "network"

// networkDir, in the container's directory, is the helper's.
const networkDir = "network"

// Network is what was asked for about a container's network.
type Network struct {
	Mode    string   // slirp4netns, pasta or none, with options; "" is what this host can do
	Publish []string // ports, as typed
	Names   slirp.Names
}

// network is a container's network under way.
type network struct {
	job    slirp.Job
	names  slirp.Names
	dir    string
	short  *kernel.Cause // why it is less than what was meant
	net    *os.File
	user   *os.File
	ready  *os.File
	helper *exec.Cmd
	failed chan error
}

// decideNetwork checks all that can be checked before anything is made, and
// chooses what was left open.
func (r *Runtime) decideNetwork(n *Network) (*network, error) {
	w := &network{names: n.Names}
	if err := n.Names.Validate(); err != nil {
		return nil, err
	}
	config, err := r.chooseNetwork(n.Mode)
	if err != nil && n.Mode == "" {
		cause := kernel.New(kernel.NetworkNone, err.Error())
		var known *kernel.Refusal
		if errors.As(err, &known) {
			cause = known.Cause
		}
		w.short = &cause
		config, err = slirp.ParseMode(slirp.None)
	}
	if err != nil {
		return nil, err
	}
	if err := config.CheckNames(&n.Names); err != nil {
		return nil, err
	}
	w.job.Config, w.job.Restart = *config, true
	for _, value := range n.Publish {
		list, err := slirp.ParsePorts(value)
		if err != nil {
			return nil, err
		}
		w.job.Ports = append(w.job.Ports, list...)
	}
	return w, slirp.Reserve(w.job.Ports)
}

// chooseNetwork is what is to carry packets, if it can work here.
func (r *Runtime) chooseNetwork(mode string) (*slirp.Config, error) {
	var config *slirp.Config
	var err error
	if mode == "" {
		config, err = slirp.Choose()
	} else if config, err = slirp.ParseMode(mode); err == nil {
		if err := config.Installed(); err != nil {
			return nil, fmt.Errorf("--network %s: %w", config.Kind, err)
		}
	}
	if err != nil || config.Kind == slirp.None {
		return config, err
	}
	if err := slirp.OpenTun(); err != nil {
		return nil, r.because(kernel.Op{Do: kernel.OpenTun, Path: slirp.Tun}, fmt.Errorf("--network %s: %w", config.Kind, err))
	}
	return config, nil
}

// offerNetwork decides, and shows the container the files that speak of its
// network.
func (r *Runtime) offerNetwork(d *dir, o *Options) error {
	if o.Network == nil {
		return nil
	}
	if !freshNetwork(o.Spec) {
		return fmt.Errorf("--network: linux.namespaces has no network namespace of the container's own")
	}
	var err error
	if o.network, err = r.decideNetwork(o.Network); err != nil {
		return err
	}
	w := o.network
	if w.dir, err = filepath.Abs(filepath.Join(d.path, networkDir)); err != nil {
		return err
	}
	w.job.Dir, w.names.Hostname = w.dir, o.Spec.Hostname
	if err = os.Mkdir(d.inside(networkDir), 0o711); err == nil {
		err = w.files(o.Spec)
	}
	if err != nil {
		return r.because(kernel.Op{Do: kernel.UseRuntime, Path: d.path}, fmt.Errorf("record the network: %w", err))
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

// files writes them and adds their mounts, except where the spec mounts something
// itself or the root has no place for them.
func (w *network) files(s *specs.Spec) error {
	list := map[string][]byte{"/etc/resolv.conf": w.job.ResolvFile(&w.names)}
	if !w.names.NoHosts {
		list["/etc/hosts"] = w.job.HostsFile(&w.names)
	}
	if s.Hostname != "" {
		list["/etc/hostname"] = []byte(s.Hostname + "\n")
	}
	for _, name := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} {
		content, wanted := list[name]
		destination, ok := place(s, name)
		if !wanted || !ok {
			continue
		}
		source := filepath.Join(w.dir, filepath.Base(name))
		if err := write(source, content, 0o644); err != nil {
			return fmt.Errorf("write the container's %s: %w", name, err)
		}
		s.Mounts = append(s.Mounts, specs.Mount{
			Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
		})
	}
	return nil
}

// place is where a file of /etc is to be mounted: behind links, which may lead
// into a file system that the container mounts. A root that lacks the file and
// cannot be written to has no place for it.
func place(s *specs.Spec, name string) (string, bool) {
	root := s.Root.Path
	if root == "/" {
		root = ""
	}
	for i := 0; i < 8; i++ {
		for _, m := range s.Mounts {
			if filepath.Clean(m.Destination) == name {
				return "", false
			}
		}
		link, err := os.Readlink(root + name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = filepath.Clean(link)
	}
	for _, m := range s.Mounts {
		if d := filepath.Clean(m.Destination); m.Type == "tmpfs" && strings.HasPrefix(name, d+"/") {
			return name, true
		}
	}
	info, err := os.Lstat(root + name)
	if err == nil {
		return name, info.Mode().IsRegular()
	}
	return name, errors.Is(err, os.ErrNotExist) && unix.Access(root+filepath.Dir(name), unix.W_OK) == nil && root != ""
}

// makeNetwork is the child's side.
func (g *program) makeNetwork() {
	w := g.network
	if w == nil {
		return
	}
	p := g.plan
	p.Act("let ordinary users inside listen on every port, and ping")
	given := func(key string) bool { return g.Spec.Linux.Sysctl[key] != "" }
	for _, s := range []struct{ key, path, value string }{
		{"net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start", "0"},
		{"net.ipv4.ping_group_range", "net/ipv4/ping_group_range", g.pingers()},
		// slirp4netns's address would be tentative for a second.
		{"net.ipv6.conf.default.accept_dad", "net/ipv6/conf/default/accept_dad", "0"},
	} {
		if !given(s.key) {
			// A read-only /proc/sys, or a kernel without it: what it would be for does not work then.
			p.WriteFile(plan.Cwd(), "/proc/sys/"+s.path, s.value, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.EINVAL)
		}
	}
	if !w.needed() {
		return
	}
	p.Act("let the parent make the network: %s", w.words())
	p.Gate(gateNetwork)
}

// pingers is the range of groups that may send ICMP echo requests: those that
// have an id inside, as far as it has no gaps (icmp(7)).
func (g *program) pingers() string {
	gid := g.Spec.Process.User.GID
	if !g.userns() {
		return "0 2147483647"
	}
	for _, e := range g.ids.GIDs {
		if gid >= e.Container && gid-e.Container < e.Size {
			return fmt.Sprintf("%d %d", e.Container, e.Container+e.Size-1)
		}
	}
	return fmt.Sprintf("%d %d", gid, gid)
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
	if w.net, err = os.Open(procOf(pid) + "/ns/net"); err != nil {
		return fmt.Errorf("open the container's network namespace: %w", err)
	}
	if w.job.Userns = own; own {
		if w.user, err = os.Open(procOf(pid) + "/ns/user"); err != nil {
			return fmt.Errorf("open the container's user namespace: %w", err)
		}
	}
	return nil
}
