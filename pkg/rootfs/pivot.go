package rootfs

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// propagation is linux.rootfsPropagation, 0 when nothing is said.
func (t *Tree) propagation() uint64 {
	if t.spec.Linux == nil {
		return 0
	}
	return propagations[t.spec.Linux.RootfsPropagation]
}

// shared says whether mounts of the container are meant to be seen by the
// host, which a bind with "shared" then does. In a user namespace of its own
// the kernel makes slaves of all mounts first (mount_namespaces(7)), and
// nothing gets back.
func (t *Tree) shared() bool { return t.propagation()&unix.MS_SHARED != 0 }

// detachFromHost sets how the caller's mounts propagate while the tree is made:
// slave, so that they can be given new ones later, unless the spec cuts that
// too or wants both ways. "private" speaks of the root's mount alone (mount(2)).
func (t *Tree) detachFromHost(p *plan.Plan) {
	p.Act("keep mount events of the container away from the host")
	kind := uintptr(unix.MS_SLAVE)
	switch {
	case t.propagation() == unix.MS_PRIVATE|unix.MS_REC:
		kind = unix.MS_PRIVATE
	case t.shared():
		p.Act("share mount events with the host")
		kind = unix.MS_SHARED
	}
	p.Propagation("/", unix.MS_REC|kind)
}

// privatePlace takes the root, and the mount it is attached to, out of what is
// shared, and returns where that is: else the tree would appear on the host too,
// and pivot_root(2) refuses a shared parent. The place is looked up below the
// mount that has become private, without a way out of that, and compared:
// whatever is renamed meanwhile, nothing is attached to another mount.
func (t *Tree) privatePlace(p *plan.Plan) plan.Reg {
	mount := p.Open(t.onTop, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).To("mount")
	p.SetAttr(mount, 0, 0, unix.MS_PRIVATE, false)
	place := p.OpenOn(mount, t.onWay, unix.O_PATH|unix.O_DIRECTORY).To("place")
	t.same(p, place, t.facts.Paths[t.path])
	p.SetAttr(t.root, 0, 0, unix.MS_PRIVATE, true)
	return place
}

// mountOf is the root of the mount that a directory is on, by its path, and the
// way from there.
func mountOf(dir *handle.Handle) (top, below string) {
	if dir == nil {
		return "/", "."
	}
	now := dir.Now()
	at, err := dir.Open(".")
	levels := 0
	for ; err == nil && !at.IsMountRoot(); levels++ {
		var up *handle.Handle
		if up, err = at.Open(".."); err == nil {
			at.Close()
			at = up
		}
	}
	if err != nil {
		return "/", strings.TrimPrefix(now, "/")
	}
	defer at.Close()
	parts := strings.Split(now, "/")
	if levels == 0 {
		return now, "."
	}
	n := max(len(parts)-levels, 1)
	return "/" + strings.Join(parts[1:n], "/"), strings.Join(parts[n:], "/")
}

// Pivot appends the change of root. The caller's tree is detached, not hidden.
func (t *Tree) Pivot(p *plan.Plan, noPivot bool) {
	switch {
	case !t.facts.NewMount:
		p.Act("change root to %s", t.path)
		p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.OpenRoot, Path: t.path}})
		root := p.Open(t.path, unix.O_PATH|unix.O_DIRECTORY).To("root")
		t.same(p, root, t.facts.Paths[t.path])
		p.Fchdir(root)
		p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
		p.Chdir("/")
		return
	case noPivot:
		t.moveRoot(p)
	default:
		t.pivotRoot(p)
	}
	p.Chdir("/")
	t.propagate(p)
}

// pivotRoot follows pivot_root(2): with "." twice the old root is stacked on
// the new one and needs no directory of its own.
func (t *Tree) pivotRoot(p *plan.Plan) {
	p.Act("pivot to the root")
	p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.Attach, Path: "/"}})
	var old plan.Reg
	if t.shared() {
		old = p.Open("/", unix.O_PATH|unix.O_DIRECTORY).To("old root")
	}
	p.Fchdir(t.root)
	p.Do("pivot_root", unix.SYS_PIVOT_ROOT, plan.S("."), plan.S("."))
	if t.shared() {
		// Else the host's mounts would be unmounted with their copies. By fd:
		// umount2(2) crosses to what is stacked on ".", mount(2) does not.
		p.SetAttr(old, 0, 0, unix.MS_SLAVE, true)
	}
	p.Do("umount2", unix.SYS_UMOUNT2, plan.S("."), plan.C(unix.MNT_DETACH))
}

// moveRoot is for a root on an initramfs, which cannot be pivoted away. The
// caller's tree stays in the mount namespace, below the new root.
func (t *Tree) moveRoot(p *plan.Plan) {
	p.Act("change root without pivot")
	if t.shared() {
		p.Propagation("/", unix.MS_SLAVE)
	}
	t.hideWhole(p)
	p.Act("change root without pivot")
	slash := p.Open("/", unix.O_PATH|unix.O_DIRECTORY).To("old root")
	p.Fchdir(t.root)
	p.MoveMount(t.root, slash)
	p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
}

// hideWhole takes away what the caller sees of the kernel. To mount a procfs or
// sysfs of its own, without the container's masks, a user namespace made inside
// needs to see a whole one somewhere (mount_too_revealing in fs/namespace.c);
// that nobody can walk to it does not matter. In a user namespace of ours the
// caller's mounts are locked and are covered instead.
func (t *Tree) hideWhole(p *plan.Plan) {
	if t.facts.Whole == nil {
		return
	}
	points := t.facts.Whole()
	slices.Reverse(points) // those on top first
	for i, point := range points {
		// The path leads to the container's own by now; or it was in the list
		// already, as one of several mounts on each other.
		if within(inside(point), inside(t.path)) || slices.Contains(points[:i], point) {
			continue
		}
		p.Act("hide the host's %s", point)
		cover, done := p.Label("cover "+point), p.Label("done with "+point)
		for _, other := range points[i:] {
			if other == point {
				// ENOENT, EINVAL: it has gone with what it was mounted in.
				p.Propagation(point, unix.MS_REC|unix.MS_SLAVE).On(unix.ENOENT, done).On(unix.EINVAL, done)
				p.Do("umount2", unix.SYS_UMOUNT2, plan.S(point), plan.C(unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)).
					On(unix.EINVAL, cover).On(unix.EPERM, cover)
			}
		}
		p.Goto(done)
		p.Here(cover)
		t.hideDir(p, p.Open(point, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).To("place"))
		p.Here(done)
	}
}

// propagate sets linux.rootfsPropagation on the new root, and with its "r" form
// on what is below, except where a mount has said something itself: what has been made
// private receives nothing again, whatever it becomes.
func (t *Tree) propagate(p *plan.Plan) {
	o := t.propagation()
	if o == 0 {
		return
	}
	p.Act("make the root %s", t.spec.Linux.RootfsPropagation)
	said := func(m *mount) bool { return !m.remount && m.tree != 0 && len(m.spread) > 0 }
	if o&unix.MS_REC == 0 || !slices.ContainsFunc(t.mounts, said) {
		p.Propagation("/", uintptr(o))
		return
	}
	p.Propagation("/", uintptr(o&^unix.MS_REC))
	for i, m := range t.mounts {
		if i != t.covers && !m.remount && m.tree != 0 && !said(m) {
			spread(p, m.tree, []uint64{o})
		}
	}
}
