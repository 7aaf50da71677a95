package rootfs

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// attach puts the mount in its place, after making it where that had to wait
// for the id map or for what is mounted before it.
func (t *Tree) attach(p *plan.Plan, m *mount) {
	t.shelf.take(p, m.tree)
	switch {
	case m.remount:
		t.change(p, m)
		return
	case m.link != "":
		t.makeLink(p, m)
		return
	case m.inner != "":
		t.bindInner(p, m)
		return
	case m.lower != "":
		t.createOverlay(p, m)
	case m.copyUp:
		t.createCopyUp(p, m)
	case t.inPlace(m):
		t.pin(p, m)
		return
	case t.room(m):
		t.createRoom(p, m)
	case m.fstype == "tmpfs":
		t.createTmpfs(p, m)
	case !m.early(), !m.bind() && m.context == 0:
		t.create(p, m)
	case !m.bind():
		t.finish(p, m)
	}
	p.Act("attach %s", m.dest)
	p.About(m.attempt(kernel.Attach))
	over := t.facts.Paths.Covered(m.dest)
	if over == nil && m.source == m.dest {
		over = t.facts.Paths.Taken(m.dest)
	}
	var at plan.Reg
	if over != nil && !t.inRoom(m.dest) { // where nothing is the host's
		at = t.below(p, m.dest, over)
	} else {
		at = t.find(p, m.dest, !m.file, m.placeFlags)
	}
	t.moveTo(p, m, at)
}

// moveTo puts a mount in its place.
func (t *Tree) moveTo(p *plan.Plan, m *mount, at plan.Reg) {
	p.MoveMount(m.tree, at)
	p.Close(at)
	t.place(m)
	if !t.keep(m) {
		p.Close(m.tree)
	}
}

// makeLink makes a link like the source (option copy-symlink). What is there
// already stays: it is the image's, and a link of the same name is the usual case.
func (t *Tree) makeLink(p *plan.Plan, m *mount) {
	p.Act("make the link %s", m.dest)
	p.About(m.attempt(kernel.OtherCall))
	dir, name := filepath.Split(m.dest)
	p.Symlinkat(m.link, plan.R(t.find(p, dir, true, 0)), name).Ignore(unix.EEXIST)
}
