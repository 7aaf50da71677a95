package lifecycle

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/network"
	"sandbox/pkg/proc"
	"sandbox/pkg/slirp"
	"sandbox/pkg/world"
)

// Port is a published port.
type Port = slirp.Port

// JoinNetwork makes a spec join the network of a running container, and the user
// namespace that owns it: only there are we allowed to.
func (r *Runtime) JoinNetwork(s *specs.Spec, paths handle.Set, id string) error {
	d, rec, err := r.running(id)
	if err != nil {
		return fmt.Errorf("--network container:%s: %w", id, err)
	}
	defer d.Close()
	own, err := world.Foreign(rec.Pid)
	if err == nil && !rec.Alive() {
		err = ErrNotRunning // and its number may be another's by now
	}
	if err != nil {
		return err
	}
	joinNetwork(s.Linux, proc.Dir(rec.Pid), own&unix.CLONE_NEWUSER != 0)
	network.ShareFiles(network.View{Spec: s, Paths: paths, Warn: r.Warn}, d)
	return nil
}

// joinNetwork names the namespaces of a process, which is a directory of /proc.
func joinNetwork(l *specs.Linux, process string, users bool) {
	for i := range l.Namespaces {
		switch n := &l.Namespaces[i]; {
		case n.Type == specs.NetworkNamespace:
			n.Path = process + "/ns/net"
		case n.Type == specs.UserNamespace && users:
			n.Path = process + "/ns/user"
			l.UIDMappings, l.GIDMappings = nil, nil
		}
	}
}

// Ports lists the published ports of a container, and what its network said last.
func (r *Runtime) Ports(id string) ([]Port, string, error) {
	a, err := r.askNetwork(id, nil, nil)
	if err != nil || a == nil {
		return nil, "", err
	}
	return a.Ports, a.Said, nil
}

// AddPorts publishes all ports or none, typed as for --publish, and returns them.
func (r *Runtime) AddPorts(id string, typed []string) ([]Port, error) {
	ports, err := parseEach(typed, slirp.ParsePorts)
	if err != nil {
		return nil, err
	}
	a, err := r.askNetwork(id, ports, nil)
	if err != nil {
		return nil, err
	}
	return a.Ports, nil
}

// RemovePorts withdraws all ports or none. What is typed is the host's side,
// [ip:]port[-port][/proto].
func (r *Runtime) RemovePorts(id string, typed []string) error {
	ports, err := parseEach(typed, slirp.ParseHostPorts)
	if err != nil {
		return err
	}
	_, err = r.askNetwork(id, nil, ports)
	return err
}

// PublishedAt leaves of a list what leads to a port of the container, 80 or 80/udp.
func PublishedAt(list []Port, typed string) ([]Port, error) {
	want, err := slirp.ParseContainerPort(typed)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", typed, err)
	}
	list = slices.DeleteFunc(list, func(p Port) bool { return p.Proto != want.Proto || p.Container != want.Container })
	if len(list) == 0 {
		return nil, fmt.Errorf("port %d/%s of the container is not published", want.Container, want.Proto)
	}
	return list, nil
}

func parseEach(typed []string, parse func(string) ([]Port, error)) ([]Port, error) {
	var ports []Port
	for _, value := range typed {
		list, err := parse(value)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", value, err)
		}
		ports = append(ports, list...)
	}
	return ports, nil
}

// askNetwork asks the helper; the answer is nil where there is none to list the
// ports of.
func (r *Runtime) askNetwork(id string, add, remove []Port) (*slirp.Answer, error) {
	d, rec, err := r.running(id)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if rec.Helper == nil {
		if len(add)+len(remove) > 0 {
			return nil, fmt.Errorf("container %s has no network of ours to publish ports of; run it with --network slirp4netns, or with a port (-p)", id)
		}
		return nil, nil
	}
	return network.Ask(d, rec.Helper, add, remove)
}
