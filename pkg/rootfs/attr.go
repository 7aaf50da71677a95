package rootfs

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// NoteLocked with the destination behind it says that a mount keeps flags
// that were to be taken off.
const NoteLocked = "mount.locked:"

// setAttr changes the attributes of a tree. Flags of a mount that came from a
// more privileged namespace cannot be taken off (mount_namespaces(7)): they
// stay then, which gives the container less and never more than was asked for,
// and the parent is told.
func setAttr(p *plan.Plan, tree plan.Reg, a attribute, recursive bool, dest string, about kernel.Attempt) {
	if a.none() {
		return
	}
	step := p.SetAttr(tree, a.set, a.clear, 0, recursive).About(about)
	const times = unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME // as locked as what is set
	if a.clear == 0 && a.set&times == 0 {
		return
	}
	locked, done := p.Label("flags of "+dest+" are locked"), p.Label("have flags of "+dest)
	step.On(unix.EPERM, locked)
	p.Goto(done)
	p.Here(locked)
	if keep := a.set &^ times; keep != 0 {
		p.SetAttr(tree, keep, 0, 0, recursive).About(about)
	}
	p.Note(NoteLocked + dest)
	p.Here(done)
}

// clearOthers makes a bind of a bundle whose options name any flag have those and no other of its source, as the mount(2) of
// runc and crun leaves it, where none is locked. Modes of access times stay, unless one is named.
func (t *Tree) clearOthers(p *plan.Plan, m *mount) {
	if !m.flagged || t.facts.Typed {
		return
	}
	const flags = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSYMFOLLOW
	others := flags &^ m.attr.set &^ m.rattr.set
	locked, done := p.Label("others of "+m.dest+" are locked"), p.Label("no others of "+m.dest)
	p.SetAttr(m.tree, 0, others, 0, false).On(unix.EPERM, locked)
	p.Goto(done)
	p.Here(locked)
	if free := others & unix.MOUNT_ATTR_NOSYMFOLLOW; free != 0 { // which the kernel never locks
		p.SetAttr(m.tree, 0, free, 0, false)
	}
	p.Here(done)
}

func spread(p *plan.Plan, tree plan.Reg, kinds []uint64) {
	for _, k := range kinds {
		p.SetAttr(tree, 0, 0, k&^unix.MS_REC, k&unix.MS_REC != 0)
	}
}

func (m *mount) finishRemount() error {
	if m.mapped || m.copyUp || m.copyLink || m.sourceLink {
		return fmt.Errorf(`option "remount": changes a mount that is there; its other options must be flags or the filesystem's`)
	}
	if slices.Contains(m.spec.Options, "bind") && len(m.data) > 0 {
		return fmt.Errorf("option %q: unknown for a bind mount: a remount of the filesystem has no \"bind\"", m.data[0].key)
	}
	return nil
}

// change is option "remount": with "bind" the flags of one mount change, and
// without it the options of its filesystem too, as with mount(8). Flags that
// are not named stay.
func (t *Tree) change(p *plan.Plan, m *mount) {
	about := m.attempt(kernel.Remount)
	about.Path = t.ShownAt(m.dest)
	p.Act("remount %s", m.dest)
	p.About(about)
	at := p.OpenInRoot(t.root, m.place, unix.O_PATH|m.placeFlags).To("place")
	if !slices.Contains(m.spec.Options, "bind") {
		t.reconfigure(p, m, at)
	}
	setAttr(p, at, m.attr, false, m.dest, about)
	setAttr(p, at, m.rattr, true, m.dest, about)
	spread(p, at, m.spread)
	p.Close(at)
}

// reconfigure changes the filesystem below a mount.
func (t *Tree) reconfigure(p *plan.Plan, m *mount, at plan.Reg) {
	data := slices.Clone(m.data)
	switch {
	case m.attr.set&unix.MOUNT_ATTR_RDONLY != 0:
		data = append(data, option{key: "ro"})
	case m.attr.clear&unix.MOUNT_ATTR_RDONLY != 0:
		data = append(data, option{key: "rw"})
	}
	if len(data) == 0 {
		return
	}
	m.context = p.Fspick(at).To("context")
	configure(p, m.context, data, m.attempt(kernel.Remount))
	p.FsReconfigure(m.context)
	p.Close(m.context)
}
