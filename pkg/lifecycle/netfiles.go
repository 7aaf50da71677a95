package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/rootfs"
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
		if err := writeAt(w.dir, filepath.Base(name), content, 0o644); err != nil {
			return fmt.Errorf("write the container's %s: %w", name, err)
		}
		source, err := r.ours(w.dir, filepath.Base(name))
		if err != nil {
			return fmt.Errorf("write the container's %s: %w", name, err)
		}
		r.showFile(s, o.Bundle, name, source)
	}
	return nil
}

// ours is the path of what we show a container, and a note of what is there. The child
// has to open it again, in its own mount namespace, and must not take anything else for
// it that somebody has put in its way.
func (r *Runtime) ours(dir *os.File, name string) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", err
	}
	if notOurs(&st) != "" || st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", errUnfit
	}
	path, err := filepath.Abs(filepath.Join(dir.Name(), name))
	if err != nil {
		return "", err
	}
	if r.sources == nil {
		r.sources = map[string]rootfs.FileID{}
	}
	r.sources[path] = rootfs.FileID{Dev: st.Dev, Ino: st.Ino}
	return path, nil
}

// showFile binds a file in the container, behind the links that are there.
func (r *Runtime) showFile(s *specs.Spec, bundle, name, source string) {
	for _, m := range s.Mounts {
		if filepath.Clean(m.Destination) == name {
			return
		}
	}
	if err := placeFor(s, bundle, name); err != nil {
		if name != hostnameFile { // the kernel knows that name
			r.Warn(fmt.Sprintf("no %s of the container's own: %v", name, err))
		}
		return
	}
	s.Mounts = append(s.Mounts, specs.Mount{
		Destination: name, Type: "bind", Source: source, Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
	})
}

// shareFiles shows a container the files of the one whose network it joins, whose
// directory that is.
func (r *Runtime) shareFiles(s *specs.Spec, d *dir) {
	dir, err := d.openSub(networkDir)
	if err != nil {
		return // it has none
	}
	defer dir.Close()
	for _, name := range []string{hostsFile, resolvFile} {
		if source, err := r.ours(dir, filepath.Base(name)); err == nil {
			r.showFile(s, "", name, source)
		}
	}
}
