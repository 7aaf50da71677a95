package rootfs

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// readonly makes one path of the container read-only by binding it to itself.
// A path that does not exist needs no protection.
func (t *Tree) readonly(p *plan.Plan, path string) {
	p.Act("make %s read-only", path)
	done := p.Label("done with " + path)
	at := p.OpenInRoot(t.root, inside(path), unix.O_PATH).On(unix.ENOENT, done).On(unix.ENOTDIR, done).To("place")
	tree := p.CloneTree(plan.R(at), "", true).To("copy")
	p.SetAttr(tree, unix.MOUNT_ATTR_RDONLY, 0, 0, true)
	p.MoveMount(tree, at)
	p.Here(done)
}

// mask hides one path: an empty read-only directory over a directory, the null
// device over anything else. Which it is shows only when the plan runs.
func (t *Tree) mask(p *plan.Plan, path string) {
	p.Act("mask %s", path)
	file, done := p.Label(path+" is a file"), p.Label("done with "+path)
	at := p.Reg("place")
	p.OpenInRoot(t.root, inside(path), unix.O_PATH|unix.O_DIRECTORY).
		On(unix.ENOENT, done).On(unix.ENOTDIR, file).On(unix.EACCES, done).Into(at)
	fs := p.Fsopen("tmpfs").To("mask context")
	t.maskLabel(p, fs)
	p.FsCreate(fs)
	empty := p.Fsmount(fs, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC).To("mask")
	p.MoveMount(empty, at)
	p.Goto(done)
	p.Here(file)
	p.OpenInRoot(t.root, inside(path), unix.O_PATH).On(unix.ENOENT, done).On(unix.ENOTDIR, done).Into(at)
	null := p.CloneTree(plan.R(t.nulls), "", false).To("null copy")
	p.MoveMount(null, at)
	p.Here(done)
}
