package rootfs

import (
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// room says whether a mount is such a directory: a tmpfs of which nothing is asked but that it is empty, and whose. All of
// them are directories of one file system. To make one, and to take it down at the end, is most of what a tmpfs costs.
func (t *Tree) room(m *mount) bool {
	if m.fstype != "tmpfs" || m.copyUp || m.mapped || m.sealed || !t.rooms() {
		return false
	}
	for _, o := range m.data {
		base := map[string]int{"mode": 8, "uid": 10, "gid": 10}[o.key]
		if _, err := strconv.ParseUint(o.value, max(base, 2), 32); base == 0 || err != nil {
			return false
		}
	}
	return true
}

// createRoom makes the directory, and a mount of it.
func (t *Tree) createRoom(p *plan.Plan, m *mount) {
	t.scratch(p)
	p.Act("make an empty directory for %s", m.dest)
	m.tree = t.newRoom(p, t.number(m), m.mode(), func(dir plan.Reg) {
		if uid, gid, said := m.owner(); said {
			p.Fchownat(dir, uid, gid)
		}
		if !m.saysMode() {
			t.likeCovered(p, m, dir)
		}
	})
	if extra := m.attr.set &^ (unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV); extra != 0 {
		p.SetAttr(m.tree, extra, 0, 0, false)
	}
	spread(p, m.tree, m.spread)
}

// newRoom is a mount of an empty directory, to which prepare may do something first.
func (t *Tree) newRoom(p *plan.Plan, number string, mode uint32, prepare func(plan.Reg)) plan.Reg {
	p.Mkdirat(plan.R(t.upper), "room"+number, mode)
	dir := p.OpenAt(plan.R(t.upper), "room"+number, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).To("room")
	prepare(dir)
	tree := p.CloneTree(plan.R(dir), "", false).To("tmpfs")
	p.Close(dir)
	return tree
}
