package rootfs

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// rooms says whether the container shows the host's own tree, with empty directories in some places of it.
func (t *Tree) rooms() bool {
	return t.covers == 0 && t.mounts[0].bind() && t.mounts[0].source == "/"
}

// inTree says whether a bind shows a directory of the host's tree in its own place. It is a copy of the container's tree
// then and not another one of the host's: what must not be seen is covered once, in the one copy of all mounts, and
// nobody can rename something into a second one that was covered in the first.
func (t *Tree) inTree(m *mount) bool {
	return m.bind() && m.source == m.dest && m.ids < 0 && t.rooms() && t.facts.Paths.Taken(m.dest) != nil
}

// divide takes the directories that stay writable out of the host's tree, when what comes first among the mounts lies over
// parts of it, and makes it read-only. It returns the mounts that are left.
func (t *Tree) divide(p *plan.Plan, mounts []*mount) []*mount {
	at := map[*mount]plan.Reg{} // opened before something may lie above them
	for _, m := range mounts {
		if t.inTree(m) {
			at[m] = t.below(p, m.dest, t.facts.Paths.Taken(m.dest))
		}
	}
	first := mounts
	for len(mounts) > 0 && t.facts.Paths.Covered(mounts[0].dest) != nil {
		t.attach(p, mounts[0])
		mounts = mounts[1:]
	}
	first = first[:len(first)-len(mounts)]
	for _, m := range mounts {
		if t.inTree(m) {
			p.Act("take %s out of the tree", m.dest)
			m.tree = p.CloneTree(plan.R(at[m]), "", m.recursive).To("copy")
			p.Close(at[m])
			m.setAttrs(p)
			spread(p, m.tree, m.spread)
		}
	}
	p.Act("make the host's tree read-only")
	t.mounts[0].setAttrs(p)
	for _, m := range first {
		if (m.attr.set|m.rattr.set)&unix.MOUNT_ATTR_RDONLY == 0 {
			p.SetAttr(m.tree, 0, unix.MOUNT_ATTR_RDONLY, 0, false) // for places to mount on
		}
	}
	return mounts
}
