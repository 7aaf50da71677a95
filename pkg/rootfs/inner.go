package rootfs

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// destination is a path of the spec as it is inside. One that names the root as the host does means what is in it, as with runc.
func (t *Tree) destination(path string) string {
	path = filepath.Clean("/" + path)
	if rest, ok := strings.CutPrefix(path, t.path+"/"); ok && t.path != "/" {
		return "/" + rest
	}
	return path
}

// inRoot is the place in the root that a bind's source names, where mounts before it have something of theirs to show, and ""
// for any other source. Such a bind shows the container's tree as it is by then, and not what the host has there.
func (t *Tree) inRoot(m *mount) string {
	name, ok := strings.CutPrefix(filepath.Clean(m.source)+"/", t.path+"/")
	if !ok || t.path == "/" {
		return ""
	}
	name = inside(name)
	if last(t.places.at, name) != nil || m.recursive && (t.places.inner[name] || name == "." && len(t.places.at) > 0) {
		return name
	}
	return ""
}

// innerSource opens it. A link there, of a root that was made elsewhere, would lead to what another mount shows, which may be
// read-only there: who typed a path has not typed that.
func (t *Tree) innerSource(p *plan.Plan, m *mount) plan.Reg {
	if t.facts.Typed {
		m.attr.clear &^= unix.MOUNT_ATTR_RDONLY
		m.rattr.clear &^= unix.MOUNT_ATTR_RDONLY
		return p.OpenBelow(t.root, m.inner, unix.O_PATH).To("source")
	}
	return p.OpenInRoot(t.root, m.inner, unix.O_PATH).To("source")
}

// bindInner binds a part of the container's tree to another place of it. Whether that is a directory shows only now.
func (t *Tree) bindInner(p *plan.Plan, m *mount) {
	p.Act("bind %s to %s", m.source, m.dest)
	p.About(copying(m.source))
	from := t.innerSource(p, m)
	m.tree = p.CloneTree(plan.R(from), "", m.recursive).To("copy")
	p.Close(from)
	t.clearOthers(p, m)
	m.setAttrs(p)
	if m.ids >= 0 {
		p.About(mapping(m.source))
		p.SetIDMap(m.tree, m.ids, m.mapBelow)
	}
	spread(p, m.tree, m.spread)
	file, have, at := p.Label("a file at "+m.inner), p.Label("have "+m.dest), p.Reg("place")
	dir := p.OpenAt(plan.R(m.tree), ".", unix.O_PATH|unix.O_DIRECTORY, 0).On(unix.ENOTDIR, file).To("directory")
	p.Close(dir)
	p.Set(at, plan.R(t.find(p, m.dest, true, m.placeFlags)))
	p.Goto(have)
	p.Here(file)
	p.Set(at, plan.R(t.find(p, m.dest, false, m.placeFlags)))
	p.Here(have)
	t.moveTo(p, m, at)
}
