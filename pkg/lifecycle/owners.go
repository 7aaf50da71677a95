package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/rootfs"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// cloner copies mounts of the caller's tree before the fork, where the caller
// may. The child, in a user namespace of its own, has lost the caller's right
// to pass directories that others have closed (mode 0700): a storage of
// podman's, a root below a private directory of root's. It has lost the right
// to map the owners of their files too. Not for a joined mount namespace: what
// its paths name is seen from inside only.
func (g *program) cloner() func(rootfs.Copy) (int, error) {
	if g.lock < 0 || g.world.NS.Joined(unix.CLONE_NEWNS) || !g.userns() || !g.run.Self.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 0
	}
	return func(c rootfs.Copy) (int, error) {
		if uint64(len(g.held)) >= limit.Cur/2 {
			return -1, unix.EMFILE // the child makes the others itself, one after the other
		}
		fd, err := copyMount(c)
		if err == nil {
			g.held = append(g.held, fd)
		}
		return fd, err
	}
}

func copyMount(c rootfs.Copy) (int, error) {
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if c.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if c.Link {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	dir, path := unix.AT_FDCWD, c.Path
	if c.Of != nil {
		dir, path, flags = c.Of.FD, "", flags|unix.AT_EMPTY_PATH
	}
	fd, err := unix.OpenTree(dir, path, uint(flags))
	if err != nil {
		return -1, err
	}
	// A copy that was made in the host's mount namespace is a peer of what it
	// was made of: what the container mounts on it would appear on the host.
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_SLAVE})
	if err == nil && c.IDs >= 0 {
		at := uint(unix.AT_EMPTY_PATH)
		if c.MapBelow {
			at |= unix.AT_RECURSIVE
		}
		err = unix.MountSetattr(fd, "", at, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(c.IDs)})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// scratch is where throw-away layers are mounted, in the container's mount
// namespace and until the pivot. The state directory is closed to a child that
// has become somebody else; what nobody looks at any more by then is open.
//
// The state root's descriptor is of no use to the child. In a joined mount namespace
// /proc may know nothing of it, and the path has to do.
func (g *program) scratch(d *state.Dir) rootfs.Scratch {
	const printed = 3
	s := rootfs.Scratch{Path: filepath.Join(g.run.Root.Path, g.ID), Number: printed}
	if d != nil {
		s = rootfs.Scratch{Path: d.Path, ID: d.File(), Number: d.RootFD()}
	}
	if g.world.NS.Joined(unix.CLONE_NEWNS) {
		s.Fixed, s.Number = true, -1
	}
	if g.userns() && g.run.Self.Has(unix.CAP_SYS_ADMIN) {
		s.Path, s.Fixed = "/sys/fs", true
	}
	return s
}

// ownerMap is a user namespace with the mappings of an idmapped mount; without
// mappings those of the container.
func (g *program) ownerMap(uids, gids []specs.LinuxIDMapping, source string) (int, error) {
	m := idmap.Map{UIDs: extents(uids), GIDs: extents(gids)}
	if source == "" && g.userns() {
		if m.IsIdentity() {
			return -1, nil // its files have the container's owners from the beginning
		}
		return -1, fmt.Errorf("what is made in the container's user namespace has its owners, and only a namespace below could map them (mount_setattr(2)): leave them out")
	}
	if m.IsIdentity() {
		if !g.userns() {
			return -1, fmt.Errorf("needs uidMappings and gidMappings: the container has no user namespace whose map could be meant")
		}
		if j := g.world.NS.Joins; len(j) > 0 && j[0].Flag == unix.CLONE_NEWUSER {
			return int(j[0].File.Fd()), nil
		}
		m = g.world.IDs
	}
	if source != "" && !g.run.Self.Has(unix.CAP_SYS_ADMIN) {
		return -1, g.run.because(kernel.Op{Do: kernel.MapMount, Path: source}, unix.EPERM)
	}
	if err := m.Validate(); err != nil {
		return -1, err
	}
	if g.lock < 0 {
		return 0, nil // a plan that is only printed
	}
	key := mapText(m.UIDs) + "\n" + mapText(m.GIDs)
	if fd, made := g.idmaps[key]; made {
		return fd, nil
	}
	fd, err := g.run.newUserns(m)
	if err == nil {
		g.held = append(g.held, fd)
		if g.idmaps == nil {
			g.idmaps = map[string]int{}
		}
		g.idmaps[key] = fd
	}
	return fd, err
}

var errHaveIt = errors.New("the namespace is open")

// newUserns makes a user namespace by way of a process that lives until its map
// is written, and returns an fd that keeps it.
func (r *Runtime) newUserns(m idmap.Map) (int, error) {
	p := plan.New()
	p.Private = r.private()
	p.Act("wait for the id map")
	p.Gate(plan.GateMapped)
	p.Gate("open")
	p.Exit(0)
	fd := -1
	_, err := userns.Spawn(userns.Request{
		New: unix.CLONE_NEWUSER, Plan: p, IDs: m, Maps: r.Maps, Caller: r.Caller, Signals: r.Signals,
		Gate: func(c *userns.Child, _ string) error {
			f, err := os.Open(proc.Dir(c.Pid) + "/ns/user")
			if err != nil {
				return err
			}
			defer f.Close()
			if fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
				return err
			}
			return errHaveIt // ends the child
		},
	})
	var ids *userns.MapError
	switch {
	case errors.Is(err, errHaveIt):
		return fd, nil
	case errors.As(err, &ids):
		return -1, r.explainMap(m, fmt.Errorf("make a user namespace for the mount: %w", err))
	}
	return -1, fmt.Errorf("make a user namespace for the mount: %w", err)
}

// mapsGID says whether a group exists in the container.
func (g *program) mapsGID(gid uint32) bool {
	m := g.world.IDs
	if g.world.NS.Joined(unix.CLONE_NEWUSER) && g.lock >= 0 {
		m.GIDs = joinedGroups(g.world.NS.Joins[0].File)
	}
	_, ok := m.HostGID(gid)
	return ok
}

// joinedGroups are the groups of a user namespace that exists, seen through a
// process that joins it; the kernel tells them in /proc/PID/gid_map only.
func joinedGroups(namespace *os.File) (list []idmap.Extent) {
	p := plan.New()
	// Whoever is in it already may have all rights over us then.
	p.Act("keep the namespace's processes out of this one")
	p.Private = true
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	p.Act("join the namespace %s", namespace.Name())
	p.Setns(plan.C(int(namespace.Fd())), unix.CLONE_NEWUSER)
	p.Gate("look")
	p.Exit(0)
	_, _ = userns.Spawn(userns.Request{Plan: p, Gate: func(c *userns.Child, _ string) error {
		for _, ids := range proc.ReadIDMap(proc.Dir(c.Pid) + "/gid_map") {
			list = append(list, idmap.Extent{Container: ids.Inside, Host: ids.Outside, Size: ids.Count})
		}
		return errHaveIt // ends the child
	}})
	return list
}
