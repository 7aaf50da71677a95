package lifecycle

import (
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/slirp"
)

// Port is a published port.
type Port = slirp.Port

// JoinNetwork makes a spec join the network of a running container, and the user
// namespace that owns it: only there are we allowed to.
func (r *Runtime) JoinNetwork(s *specs.Spec, id string) error {
	rec, err := r.running(id)
	if err != nil {
		return fmt.Errorf("--network container:%s: %w", id, err)
	}
	own, err := foreign(rec.Pid)
	if err != nil {
		return err
	}
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		switch {
		case n.Type == specs.NetworkNamespace:
			n.Path = procOf(rec.Pid) + "/ns/net"
		case n.Type == specs.UserNamespace && own&unix.CLONE_NEWUSER != 0:
			n.Path = procOf(rec.Pid) + "/ns/user"
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}
	}
	return nil
}

// Ports lists the published ports of a container, after adding some or removing
// one (a host port, with /udp where it is that).
func (r *Runtime) Ports(id string, add []string, remove string) ([]slirp.Port, error) {
	rec, err := r.running(id)
	if err != nil {
		return nil, err
	}
	var ports []slirp.Port
	for _, value := range add {
		list, err := slirp.ParsePorts(value)
		if err != nil {
			return nil, err
		}
		ports = append(ports, list...)
	}
	if rec.Helper == nil {
		if len(add) > 0 || remove != "" {
			return nil, fmt.Errorf("container %s has no network of ours to publish ports of; run it with --network slirp4netns, or with a port (-p)", id)
		}
		return nil, nil
	}
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	dir, err := unix.Open(filepath.Join(path, networkDir), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	return slirp.Ask(fmt.Sprintf("/proc/self/fd/%d", dir), ports, remove)
}
