package rootfs

import (
	"encoding/binary"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// createCopyUp makes a tmpfs that begins with what the directory holds. Where
// that is nothing it is a tmpfs. Else nothing is copied either: the directory
// becomes the lower layer of an overlay whose upper one is the tmpfs, and looks
// the same from inside. Only where no overlay can stand is it a copy (see createCopied).
func (t *Tree) createCopyUp(p *plan.Plan, m *mount) {
	if t.stacked(m) {
		t.createCopied(p, m)
		return
	}
	t.scratch(p)
	readonly := t.createOpen(p, m)
	below := t.copyFrom(p, m)
	p.Act("let the tmpfs on %s begin with what is there", m.dest)
	p.About(m.attempt(kernel.MountOverlay))
	full, done := p.Label("copy "+m.dest), p.Label("have "+m.dest)
	tree := p.Reg("tmpfs with content")
	empty(p, below, m.dest, full)
	if readonly != 0 {
		p.SetAttr(m.tree, readonly, 0, 0, false)
	}
	p.Set(tree, plan.R(m.tree))
	p.Goto(done)
	p.Here(full)
	dir := "copy" + t.number(m)
	p.Mkdirat(plan.R(t.upper), dir, 0o700)
	at := p.OpenAt(plan.R(t.upper), dir, unix.O_PATH|unix.O_DIRECTORY, 0).To("copy place")
	p.MoveMount(m.tree, at)
	m.attr.set |= readonly
	up := t.overlay(p, m, below, m.tree, filepath.Join(t.facts.Scratch.within(), dir), m.mode())
	if uid, gid, said := m.owner(); said {
		p.Fchownat(up, uid, gid)
	}
	t.chmodLike(p, m.tree, up)
	p.Close(up)
	t.finishOverlay(p, m)
	p.Set(tree, plan.R(m.tree))
	p.Here(done)
	m.tree = tree
}

// copyFrom is the directory that a tmpfs begins with: where somebody has looked at it, no other.
func (t *Tree) copyFrom(p *plan.Plan, m *mount) plan.Reg {
	from := t.find(p, m.dest, true, m.placeFlags)
	if of := t.facts.Paths.Copied(m.dest); of != nil {
		p.Same(from, of.Path, of.Dev, of.Ino)
	}
	return from
}

// empty goes to a label unless a directory holds nothing: unless it reads as "."
// and ".." and no more. What it cannot read is not empty.
func empty(p *plan.Plan, dir plan.Reg, name string, full plan.Label) {
	fd := p.OpenAt(plan.R(dir), ".", unix.O_RDONLY|unix.O_DIRECTORY, 0).On(plan.AnyErrno, full).To("directory")
	entries, size := plan.Bytes(make([]byte, 1024)).Show(func() string { return "<entries>" }), plan.Words(0)
	read := func() *plan.Step {
		return p.Do("getdents64", unix.SYS_GETDENTS64, plan.R(fd), plan.M(entries), plan.C(len(entries.Data))).On(plan.AnyErrno, full)
	}
	n := read().To("size")
	p.Put(size, 0, n)
	// struct linux_dirent64, getdents(2): 24 bytes for a name this short.
	const length = 24
	p.Expect(size, 0, ^uint32(0), 2*length, unix.ENOTEMPTY).On(unix.ENOTEMPTY, full)
	// Most filesystems begin with "."; ext4 sorts by a hash that is each one's own.
	swapped, none := p.Label(".. before . in "+name), p.Label("nothing in "+name)
	named(p, entries, 0, ".", swapped)
	named(p, entries, length, "..", full)
	p.Goto(none)
	p.Here(swapped)
	named(p, entries, 0, "..", full)
	named(p, entries, length, ".", full)
	p.Here(none)
	read().IfNonzero(full)
	p.Close(fd)
}

// named goes to a label unless the directory entry at off has a name, of four
// bytes at most. It begins at the entry's 19th byte.
func named(p *plan.Plan, entries *plan.Mem, off int, name string, other plan.Label) {
	text, mask := make([]byte, 8), make([]byte, 8)
	copy(text[3:], name)
	for i := range len(name) + 1 {
		mask[3+i] = 0xff
	}
	word := binary.NativeEndian.Uint32
	for half := 0; half < 8; half += 4 {
		if m := word(mask[half:]); m != 0 {
			p.Expect(entries, off+16+half, m, word(text[half:]), unix.ENOTEMPTY).On(unix.ENOTEMPTY, other)
		}
	}
}
