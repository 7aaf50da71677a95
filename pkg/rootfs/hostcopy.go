package rootfs

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// rooms says whether the container shows the host's own tree, with empty directories in some places of it.
func (t *Tree) rooms() bool {
	return t.covers == 0 && t.mounts[0].bind() && t.mounts[0].source == "/"
}

// hides says whether there is something of the host that the container must not see wherever it lies.
func (t *Tree) hides() bool { return len(t.facts.Hidden) > 0 && !t.facts.Elsewhere }

// taken is the path in the host's tree at which a bind is taken out of the container's own copy of that, "" for one that is
// another copy. What must not be seen is covered once, in the one copy of all mounts: in a second one, somebody could have
// moved there what was covered in the first. What is hidden itself is somebody's wish.
func (t *Tree) taken(m *mount) string {
	switch {
	case !m.bind() || m.ids >= 0 || m.sourceLink || m.link != "" || m.of == nil || t.inPlace(m):
	case t.rooms() && m.source == m.dest && t.facts.Paths.Taken(m.dest) != nil && !t.hidden(m.of):
		return m.dest
	case t.hides() && m.source != "/" && !t.hidden(m.of):
		if now := m.of.Now(); now != "" {
			return now
		}
		return m.source // and not there, which ends the start
	}
	return ""
}

func (t *Tree) hidden(of *handle.Handle) bool {
	return slices.ContainsFunc(t.facts.Hidden, func(h *handle.Handle) bool { return h.ID == of.ID && h.Mount() == of.Mount() })
}

// findTaken opens in the copy of the host's tree what the container gets of it, as the caller, and before something may lie
// above it.
func (t *Tree) findTaken(p *plan.Plan) {
	t.at = map[*mount]plan.Reg{}
	for _, m := range t.mounts {
		if path := t.taken(m); path != "" {
			t.at[m] = p.OpenSame(t.host, inside(path), m.of.Path, m.of.Dev, m.of.Ino)
		}
	}
	if of := t.facts.Paths[t.path]; t.covers < 0 && of != nil {
		t.rootAt = p.OpenSame(t.host, inside(of.Now()), of.Path, of.Dev, of.Ino)
	}
}

// divide covers in the copy of the host's tree what must not be seen, and takes out of it what the container gets. What is
// left becomes read-only where it is the root.
func (t *Tree) divide(p *plan.Plan) {
	var covers []plan.Reg
	for i, of := range t.facts.Hidden {
		covers = append(covers, t.cover(p, i, of))
	}
	for _, m := range t.mounts {
		if from, ok := t.at[m]; ok {
			p.Act("take %s out of the tree", m.source)
			p.About(copying(m.source))
			m.tree = p.CloneTree(plan.R(from), "", m.recursive).To("copy")
			p.Close(from)
			m.setAttrs(p)
			spread(p, m.tree, m.spread)
		}
	}
	if t.rootAt != 0 {
		p.Act("open root %s", t.path)
		p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.OpenRoot, Path: t.path}})
		t.root = p.CloneTree(plan.R(t.rootAt), "", true).To("root")
		t.noDevices(p)
	}
	if !t.rooms() {
		return
	}
	p.Act("make the host's tree read-only")
	t.mounts[0].setAttrs(p)
	for _, tree := range covers {
		p.SetAttr(tree, 0, unix.MOUNT_ATTR_RDONLY, 0, false) // for places to mount on
	}
}

// noDevices keeps device nodes of the root from being opened, where that is asked for: a tree that somebody else made may have
// a node of a disk in it.
func (t *Tree) noDevices(p *plan.Plan) {
	if t.facts.Typed {
		p.SetAttr(t.root, unix.MOUNT_ATTR_NODEV, 0, 0, true)
	}
}

// cover hides a directory or a file in the copy of the host's tree.
func (t *Tree) cover(p *plan.Plan, i int, of *handle.Handle) (tree plan.Reg) {
	t.scratch(p)
	p.Act("hide %s", of.Path)
	p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.Attach, Path: of.Path}})
	at := p.OpenSame(t.host, inside(of.Path), of.Path, of.Dev, of.Ino)
	if of.IsMountRoot() { // and no directory of the same file system that is one elsewhere
		p.MountRoot(at, of.Path)
	}
	if of.IsDir() {
		tree = t.newRoom(p, "hidden"+strconv.Itoa(i), 0o755, func(plan.Reg) {})
		p.SetAttr(tree, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, 0, 0, false)
	} else {
		tree = p.CloneTree(plan.R(t.nulls), "", false).To("null copy")
	}
	p.MoveMount(tree, at)
	p.Close(at)
	return tree
}
