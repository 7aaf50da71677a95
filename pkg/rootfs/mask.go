package rootfs

import (
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// holder is the procfs or sysfs of the spec that path is in, and the path
// from there. It is looked up from the mount's own fd: somebody who can rename
// directories of the root could move "/proc" out of the way between its mount
// and its masks, and what is not found is not masked. nil: some other place.
func (t *Tree) holder(path string) (*mount, string) {
	name := inside(path)
	in := last(t.places.kernels, name)
	if in == nil {
		return nil, name
	}
	if over := last(t.places.others, in.place); over != nil && over.index > in.index {
		return nil, name // covered by what came later
	}
	return in, inside(strings.TrimPrefix(name, in.place))
}

// within says whether a path is dir or below it.
func within(path, dir string) bool {
	return dir == "." || path == dir || strings.HasPrefix(path, dir+"/")
}

// readonly makes one path of the container read-only by binding it to itself.
// A path that does not exist needs no protection.
func (t *Tree) readonly(p *plan.Plan, path string, about kernel.Attempt) {
	p.Act("make %s read-only", path)
	p.About(about)
	in, name := t.holder(path)
	if in != nil && name == "." {
		in.tree = t.bindReadonly(p, in.tree)
		return
	}
	if in == nil && name == "." {
		p.SetAttr(t.root, unix.MOUNT_ATTR_RDONLY, 0, 0, false) // as root.readonly
		return
	}
	if of := t.facts.Paths.Shown(path); of != nil && in == nil {
		at := t.below(p, path, of)
		p.Close(t.bindReadonly(p, at))
		p.Close(at)
		return
	}
	done := p.Label("done with " + path)
	at := p.OpenInRoot(t.from(in), name, unix.O_PATH).On(unix.ENOENT, done).On(unix.ENOTDIR, done).To("place")
	p.Close(t.bindReadonly(p, at))
	p.Close(at)
	p.Here(done)
}

func (t *Tree) bindReadonly(p *plan.Plan, at plan.Reg) plan.Reg {
	tree := p.CloneTree(plan.R(at), "", true).To("copy")
	p.SetAttr(tree, unix.MOUNT_ATTR_RDONLY, 0, 0, true)
	p.MoveMount(tree, at)
	return tree
}

// from is the fd that a path in m begins at.
func (t *Tree) from(m *mount) plan.Reg {
	if m == nil {
		return t.root
	}
	return m.tree
}

// gone is what an attachment says to a place that was removed since it was opened (DCACHE_CANT_MOUNT): nothing is left there
// to hide.
const gone = unix.ENOENT

// mask hides one path: an empty read-only directory over a directory, the null
// device over anything else. Which it is shows only when the plan runs.
func (t *Tree) mask(p *plan.Plan, path string, about kernel.Attempt) {
	p.Act("mask %s", path)
	p.About(about)
	in, name := t.holder(path)
	if in != nil && name == "." {
		in.tree = t.hideDir(p, in.tree)
		return
	}
	if in == nil && t.socket(path) {
		t.maskSocket(p, path, name)
		return
	}
	root := t.from(in)
	file, attach, done := p.Label(path+" is a file"), p.Label("mask "+path), p.Label("done with "+path)
	at, mask := p.Reg("place"), p.Reg("mask")
	p.OpenInRoot(root, name, unix.O_PATH|unix.O_DIRECTORY).
		On(unix.ENOENT, done).On(unix.ENOTDIR, file).On(unix.EACCES, done).Into(at)
	t.copyBlank(p, mask)
	p.Goto(attach)
	p.Here(file)
	p.OpenInRoot(root, name, unix.O_PATH).On(unix.ENOENT, done).On(unix.ENOTDIR, done).Into(at)
	p.CloneTree(plan.R(t.nulls), "", false).Into(mask)
	p.Here(attach)
	p.MoveMount(mask, at).Ignore(gone)
	p.Close(mask)
	p.Close(at)
	p.Here(done)
}

// blankFlags are those of an empty directory over one that is hidden.
const blankFlags = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// copyBlank makes a mount of an empty directory: of one file system for all of them, but for SELinux, whose label is the file
// system's.
func (t *Tree) copyBlank(p *plan.Plan, mask plan.Reg) {
	if t.blank == 0 {
		p.Set(mask, plan.R(t.newBlank(p)))
		return
	}
	p.CloneTree(plan.R(t.blank), "", false).Into(mask)
	p.SetAttr(mask, blankFlags, 0, 0, false)
}

// makeBlank makes the one empty directory that masked ones show: a host has one to hide for each processor.
func (t *Tree) makeBlank(p *plan.Plan) {
	if t.mountLabel() != "" {
		return
	}
	t.scratch(p)
	p.Act("make an empty directory for masks")
	p.Mkdirat(plan.R(t.upper), "blank", 0o755)
	t.blank = p.OpenAt(plan.R(t.upper), "blank", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).To("empty directory")
}

// socket says whether a path is a socket of the host's tree, of which there may be hundreds. One that has become something
// else meanwhile cannot be covered by the null device unless it is a file, and then it is.
func (t *Tree) socket(path string) bool {
	var st unix.Stat_t
	return t.rooms() && unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// maskSocket is mask for one, in few steps.
func (t *Tree) maskSocket(p *plan.Plan, path, name string) {
	done := p.Label("done with " + path)
	at := p.OpenInRoot(t.root, name, unix.O_PATH).On(unix.ENOENT, done).On(unix.ENOTDIR, done).To("place")
	null := p.CloneTree(plan.R(t.nulls), "", false).To("null copy")
	p.MoveMount(null, at).Ignore(gone)
	p.Close(null)
	p.Close(at)
	p.Here(done)
}

// hideDir covers a directory with a file system of its own.
func (t *Tree) hideDir(p *plan.Plan, at plan.Reg) plan.Reg {
	empty := t.newBlank(p)
	p.MoveMount(empty, at)
	return empty
}

func (t *Tree) newBlank(p *plan.Plan) plan.Reg {
	fs := p.Fsopen("tmpfs").To("mask context")
	t.maskLabel(p, fs)
	p.FsCreate(fs)
	empty := p.Fsmount(fs, blankFlags).To("empty directory")
	p.Close(fs)
	return empty
}
