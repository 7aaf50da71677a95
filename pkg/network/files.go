package network

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/state"
)

// The files of a container that speak of its network.
const (
	hostsFile    = "/etc/hosts"
	hostnameFile = "/etc/hostname"
	resolvFile   = "/etc/resolv.conf"
)

// View is the container that is shown files.
type View struct {
	Spec   *specs.Spec
	Paths  handle.Set
	Bundle string
	Warn   func(string)
	// StandIn is the path of a file of the container's own directory, for a plan that is only printed.
	StandIn func(name string) string
}

// ShowFiles writes them and adds their mounts, except where the spec mounts
// something itself. What the root has no place for is told: a program without
// /etc/resolv.conf asks 127.0.0.1.
func (w *Network) ShowFiles(v View) error {
	s, n := v.Spec, &w.Names
	list := make(map[string][]byte)
	if n.Resolver() || !w.job.Shared {
		list[resolvFile] = w.job.ResolvFile(n)
	}
	if n.HostNames() || !w.job.Shared {
		list[hostsFile] = w.job.HostsFile(n)
	}
	if s.Hostname != "" && !w.job.Shared {
		list[hostnameFile] = []byte(s.Hostname + "\n")
	}
	for _, name := range []string{hostsFile, hostnameFile, resolvFile} {
		content, wanted := list[name]
		if wanted && w.job.Shared {
			s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { // the host's own
				return m.Source == name && filepath.Clean(m.Destination) == name
			})
		}
		if content == nil {
			continue
		}
		source := v.StandIn(filepath.Base(name))
		if w.Dir != nil {
			err := state.WriteAt(w.Dir, filepath.Base(name), content, 0o644)
			if err == nil {
				source, err = state.Show(v.Paths, w.Dir, filepath.Base(name))
			}
			if err != nil {
				return fmt.Errorf("write the container's %s: %w", name, err)
			}
		}
		v.show(name, source)
	}
	return nil
}

// show binds a file in the container, behind the links that are there.
func (v View) show(name, source string) {
	s := v.Spec
	for _, m := range s.Mounts {
		if filepath.Clean(m.Destination) == name {
			return
		}
	}
	if err := placeFor(s, v.Paths, v.Bundle, name); err != nil {
		if name != hostnameFile { // the kernel knows that name
			v.Warn(fmt.Sprintf("no %s of the container's own: %v", name, err))
		}
		return
	}
	options := []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}
	if s.Root.Readonly || s.Root.Path == "/" { // it lies in our directory, which a command could fill
		options = append(options, "ro")
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: name, Type: "bind", Source: source, Options: options})
}

// ShareFiles shows a container the files of the one whose network it joins, whose
// directory that is.
func ShareFiles(v View, d *state.Dir) {
	dir, err := d.OpenSub(state.NetworkDir)
	if err != nil {
		return // it has none
	}
	defer dir.Close()
	for _, name := range []string{hostsFile, resolvFile} {
		if source, err := state.Show(v.Paths, dir, filepath.Base(name)); err == nil {
			v.show(name, source)
		}
	}
}
