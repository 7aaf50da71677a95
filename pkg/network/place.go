package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// placeFor says why a file cannot be mounted at a path of the container; nil where
// it is there, or the start can make it. The child makes the place, as for every
// mount (rootfs), and fails where it cannot: so it is foreseen here.
func placeFor(s *specs.Spec, paths handle.Set, bundle, name string) error {
	for range 40 { // the kernel's limit of links in a path (path_resolution(7))
		tree, rest, err := treeOf(s, paths, bundle, name)
		if err != nil || tree == nil {
			return err
		}
		next, err := tree.look(rest)
		if err != nil || next == "" {
			return err
		}
		name = tree.at + "/" + next
		if filepath.IsAbs(next) {
			name = next
		}
	}
	return unix.ELOOP
}

// tree is a directory of the caller's that the container sees.
type tree struct {
	dir      *handle.Handle
	at       string // in the container, "" for its root
	readOnly bool
	owned    func(*unix.Stat_t) bool
}

// treeOf is the tree in which a path lies, and where; nil where it is made new.
func treeOf(s *specs.Spec, paths handle.Set, bundle, name string) (*tree, string, error) {
	t := &tree{readOnly: s.Root.Path == "/", owned: func(st *unix.Stat_t) bool {
		return mapped(s, st)
	}}
	path, clean := s.Root.Path, filepath.Clean("/"+name)
	for _, m := range s.Mounts {
		at := filepath.Clean("/" + m.Destination)
		if !strings.HasPrefix(clean, strings.TrimSuffix(at, "/")+"/") || at == "/" {
			continue
		}
		t.at, path, name = at, m.Source, strings.TrimPrefix(clean, at+"/")
		t.readOnly = slices.Contains(m.Options, "ro") || slices.Contains(m.Options, "rro")
		switch m.Type {
		case "tmpfs":
			path = ""
		case "bind":
			if ofCover(s, m.Source) {
				path = "" // it shows only then what it has
			}
		case "", "none":
		default:
			return nil, "", fmt.Errorf("it would be in the %s of %s", m.Type, at)
		}
	}
	if path == "" {
		if t.readOnly {
			return nil, "", fmt.Errorf("it would be in the read-only tmpfs of %s", t.at)
		}
		return nil, "", nil
	}
	var err error
	t.dir, err = paths.OpenIn(bundle, path)
	if errors.Is(err, os.ErrPermission) {
		return nil, "", nil // another id's, which the child can become
	}
	return t, name, err
}

// ofCover says whether a bind's source is in a root that a mount makes, as an image's layers do.
func ofCover(s *specs.Spec, source string) bool {
	return len(s.Mounts) > 0 && filepath.Clean("/"+s.Mounts[0].Destination) == "/" && strings.HasPrefix(source, s.Root.Path+"/")
}

// mapped says whether an owner is one inside, whose rights the child has.
func mapped(s *specs.Spec, st *unix.Stat_t) bool {
	if len(s.Linux.UIDMappings) == 0 {
		return os.Geteuid() == 0 || st.Uid == uint32(os.Geteuid())
	}
	in := func(list []specs.LinuxIDMapping, id uint32) bool {
		return slices.ContainsFunc(list, func(m specs.LinuxIDMapping) bool { return id >= m.HostID && id-m.HostID < m.Size })
	}
	return in(s.Linux.UIDMappings, st.Uid) && in(s.Linux.GIDMappings, st.Gid)
}

// look is nil and "" where the file is or can be made, or names the path to look
// at next: what a link says that leads nowhere yet, or the directory that is missing.
func (t *tree) look(name string) (string, error) {
	dir, base := filepath.Split(strings.TrimSuffix(name, "/"))
	fd, err := t.open(name)
	if err == nil {
		defer unix.Close(fd)
		return "", t.good(fd, base)
	}
	parent, err2 := t.open(dir)
	switch {
	case errors.Is(err, unix.EACCES) || errors.Is(err2, unix.EACCES):
		return "", nil
	case !errors.Is(err, unix.ENOENT):
		return "", err
	case err2 != nil:
		return dir, nil
	}
	defer unix.Close(parent)
	var link [unix.PathMax]byte
	if n, err := unix.Readlinkat(parent, base, link[:]); err == nil {
		if next := string(link[:n]); filepath.IsAbs(next) {
			return next, nil
		}
		return dir + string(link[:n]), nil // not cleaned: dir may be a link itself
	}
	return "", t.writable(parent, "/"+strings.TrimSuffix(dir, "/"))
}

func (t *tree) open(name string) (int, error) {
	if name == "" || name == "/" {
		name = "."
	}
	return t.dir.OpenAt(name, unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// good refuses what no file can be mounted on. A directory is good as one that
// was missing on the way.
func (t *tree) good(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return fmt.Errorf("%s is a directory", name)
	}
	return fmt.Errorf("%s is no regular file", name)
}

func (t *tree) writable(fd int, dir string) error {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case t.readOnly || unix.Fstatfs(fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0:
		return fmt.Errorf("it is missing, and %s is read-only", filepath.Clean(t.at+dir))
	case unix.Access(fmt.Sprintf("/proc/self/fd/%d", fd), unix.W_OK) == nil || t.owned(&st):
		return nil
	}
	return fmt.Errorf("it is missing, and %s is another's: make an empty file there", filepath.Clean(t.at+dir))
}
