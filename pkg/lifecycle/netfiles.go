package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/state"
)

// The files of a container that speak of its network.
const (
	hostsFile    = "/etc/hosts"
	hostnameFile = "/etc/hostname"
	resolvFile   = "/etc/resolv.conf"
)

// showFiles writes them and adds their mounts, except where the spec mounts
// something itself. What the root has no place for is told: a program without
// /etc/resolv.conf asks 127.0.0.1.
func (r *Runtime) showFiles(w *network, o *Options) error {
	s, n := o.Spec, &w.names
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
		source := r.standIn(o, unix.S_IFREG, state.NetworkDir, filepath.Base(name))
		if w.dir != nil {
			err := state.WriteAt(w.dir, filepath.Base(name), content, 0o644)
			if err == nil {
				source, err = showable(o.Paths, w.dir, filepath.Base(name))
			}
			if err != nil {
				return fmt.Errorf("write the container's %s: %w", name, err)
			}
		}
		r.showFile(s, o.Paths, o.Bundle, name, source)
	}
	return nil
}

// standIn is the path of a file of the container's own directory, for a plan that is only
// printed: a file of a kind that nobody makes.
func (r *Runtime) standIn(o *Options, kind uint32, names ...string) string {
	path := filepath.Join(append([]string{r.Root.Path, o.ID}, names...)...)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	o.Paths.Add(path, &handle.Handle{FD: -1, Mode: kind, Path: path})
	return path
}

// showable opens what we show a container, and returns its path. The child has to look that up again, in its own mount
// namespace, and must not take anything else for it that somebody has put in its way.
func showable(paths handle.Set, dir *os.File, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir.Name(), name))
	if err != nil {
		return "", err
	}
	h, err := handle.At(int(dir.Fd()), name, path)
	if err != nil {
		return "", err
	}
	if state.NotOurs(&unix.Stat_t{Uid: h.UID, Mode: h.Mode}) != "" || h.Kind() != unix.S_IFREG && h.Kind() != unix.S_IFDIR {
		h.Close()
		return "", state.ErrUnfit
	}
	paths.Add(path, h)
	return path, nil
}

// showFile binds a file in the container, behind the links that are there.
func (r *Runtime) showFile(s *specs.Spec, paths handle.Set, bundle, name, source string) {
	for _, m := range s.Mounts {
		if filepath.Clean(m.Destination) == name {
			return
		}
	}
	if err := placeFor(s, paths, bundle, name); err != nil {
		if name != hostnameFile { // the kernel knows that name
			r.Warn(fmt.Sprintf("no %s of the container's own: %v", name, err))
		}
		return
	}
	options := []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}
	if s.Root.Readonly || s.Root.Path == "/" { // it lies in our directory, which a command could fill
		options = append(options, "ro")
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: name, Type: "bind", Source: source, Options: options})
}

// shareFiles shows a container the files of the one whose network it joins, whose
// directory that is.
func (r *Runtime) shareFiles(s *specs.Spec, paths handle.Set, d *state.Dir) {
	dir, err := d.OpenSub(state.NetworkDir)
	if err != nil {
		return // it has none
	}
	defer dir.Close()
	for _, name := range []string{hostsFile, resolvFile} {
		if source, err := showable(paths, dir, filepath.Base(name)); err == nil {
			r.showFile(s, paths, "", name, source)
		}
	}
}
