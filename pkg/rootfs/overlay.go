package rootfs

import (
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// throwAway is the lower directory of an overlay that asks for no upper one.
// Several lower ones without an upper one are a read-only overlay of the
// kernel's own.
func (m *mount) throwAway() string {
	lower := ""
	for _, o := range m.data {
		switch o.key {
		case "lowerdir":
			if len(splitLayers(o.value)) > 1 {
				return ""
			}
			lower = unescape(o.value)
		case "upperdir":
			return ""
		}
	}
	return lower
}

// createOverlay makes a copy-on-write view of a directory whose upper layer
// lives in memory and dies with the container.
func (t *Tree) createOverlay(p *plan.Plan, m *mount) {
	t.scratch(p)
	p.Act("make a copy-on-write layer over %s", m.lower)
	about := m.making()
	about.Field = "" // the words have it
	p.About(about)
	p.Close(t.overlay(p, m, m.tree, t.upper, t.facts.Scratch.within(), 0o755))
	for _, o := range m.data {
		if o.key != "lowerdir" && o.value != "" {
			about.Detail = o.detail()
			p.FsString(m.context, o.key, o.value).About(about)
		}
	}
	t.finishOverlay(p, m)
}

// overlay begins an overlay of below, with an upper layer in the directory
// room, which is at path. The lower layer is named relative to the working
// directory and the upper one by a path of our own: no path of the caller's
// that could hold a ":" or "," is ever parsed as an option.
//
// It returns the directory of the upper layer, whose owner and mode the overlay's root has.
func (t *Tree) overlay(p *plan.Plan, m *mount, below, room plan.Reg, path string, mode uint32) plan.Reg {
	up, work := "upper"+t.number(m), "work"+t.number(m)
	p.Mkdirat(plan.R(room), up, mode)
	p.Mkdirat(plan.R(room), work, 0o700)
	top := p.OpenAt(plan.R(room), up, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).To("upper layer")
	p.Fchdir(below)
	m.context = p.Fsopen("overlay").To("overlay context")
	p.FsString(m.context, "lowerdir", ".")
	p.FsString(m.context, "upperdir", filepath.Join(path, up))
	p.FsString(m.context, "workdir", filepath.Join(path, work))
	// Without real root only user.* attributes can record whiteouts
	// (Linux 5.11, commit 2d2f2d7322ff).
	p.FsFlag(m.context, "userxattr")
	return top
}

// layers are an overlay's options with the directories that were looked at named by their descriptors. The kernel takes
// descriptors themselves only from Linux 6.13 on.
func (t *Tree) layers(p *plan.Plan, m *mount) []option {
	if m.fstype != "overlay" {
		return m.data
	}
	data := slices.Clone(m.data)
	for i, o := range data {
		of := t.facts.Paths[unescape(o.value)]
		if of == nil || o.key != "lowerdir" && o.key != "upperdir" && o.key != "workdir" {
			continue
		}
		const far = 512 // below the usual soft limit, and above what is open by then
		number := far + 3*m.index + i%3
		dir := p.Open(Copy{Path: unescape(o.value), Of: of}.name(), unix.O_PATH|unix.O_DIRECTORY).To("layer")
		t.same(p, dir, of)
		p.Dup2(dir, number)
		p.Close(dir)
		data[i].value = "/proc/self/fd/" + strconv.Itoa(number)
	}
	return data
}

func (t *Tree) finishOverlay(p *plan.Plan, m *mount) {
	p.FsCreate(m.context)
	m.tree = p.Fsmount(m.context, m.attr.set).To("overlay")
	p.Close(m.context)
	spread(p, m.tree, m.spread)
	p.Chdir("/")
}

func (t *Tree) number(m *mount) string { return strconv.Itoa(m.index) }

// scratch mounts a tmpfs over the scratch directory, once. It must be attached:
// overlayfs refuses layers on a detached mount before Linux 6.15.
func (t *Tree) scratch(p *plan.Plan) {
	if t.upper != 0 {
		return
	}
	p.Act("make room for copy-on-write layers")
	fs := p.Fsopen("tmpfs").To("scratch context")
	p.FsString(fs, "source", "tmpfs")
	p.FsString(fs, "mode", "0700")
	p.FsCreate(fs)
	t.upper = p.Fsmount(fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV).To("scratch")
	if t.scratchAt == 0 {
		t.findScratch(p)
	}
	p.MoveMount(t.upper, t.scratchAt)
	if s := t.facts.Scratch; s.Number >= 0 {
		p.Reserve(s.Number)
		p.Do("dup3", unix.SYS_DUP3, plan.R(t.upper), plan.C(s.Number), plan.C(unix.O_CLOEXEC))
	}
}

// findScratch opens the scratch directory, which is the caller's, and closed to others.
func (t *Tree) findScratch(p *plan.Plan) {
	s := t.facts.Scratch
	p.Act("find room for layers")
	t.scratchAt = p.Open(s.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).To("scratch place")
	if !s.Fixed {
		p.Same(t.scratchAt, s.Path, s.ID.Dev, s.ID.Ino)
	}
}

// within is a path of what is mounted there.
func (s Scratch) within() string {
	if s.Number < 0 {
		return s.Path
	}
	return "/proc/self/fd/" + strconv.Itoa(s.Number)
}
