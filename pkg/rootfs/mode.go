package rootfs

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// createTmpfs makes a tmpfs. One whose mode nobody has said looks like the directory that it covers, as with runc and crun.
func (t *Tree) createTmpfs(p *plan.Plan, m *mount) {
	if m.saysMode() || m.mapped {
		t.create(p, m)
		return
	}
	readonly := m.attr.set & unix.MOUNT_ATTR_RDONLY
	m.attr.set &^= readonly // until it has its mode
	t.guessMode(m)
	t.create(p, m)
	t.likeCovered(p, m, m.tree)
	if readonly != 0 {
		p.SetAttr(m.tree, readonly, 0, 0, false)
	}
	m.attr.set |= readonly
}

// createOpen makes a tmpfs with its mode, writable until it has its content. It returns the flag that is then left to set.
func (t *Tree) createOpen(p *plan.Plan, m *mount) (readonly uint64) {
	readonly = m.attr.set & unix.MOUNT_ATTR_RDONLY
	m.attr.set &^= readonly
	t.create(p, m)
	if !m.saysMode() {
		t.likeCovered(p, m, m.tree)
	}
	return readonly
}

// saysMode says whether the options of a tmpfs give a mode.
func (m *mount) saysMode() bool {
	return slices.ContainsFunc(m.data, func(o option) bool { return o.key == "mode" })
}

// guessMode makes an option of the mode that the directory has now, where the root has it: mountinfo then shows it, as with
// runc. What it is when it is covered, likeCovered sees.
func (t *Tree) guessMode(m *mount) {
	root := t.facts.Paths[t.path]
	if root == nil || t.shows(m.dest) != nil {
		return
	}
	fd, err := root.OpenAt(m.place, uint64(unix.O_PATH|unix.O_DIRECTORY|m.placeFlags), unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		m.data = append(m.data, option{"mode", strconv.FormatUint(uint64(st.Mode&0o7777), 8)})
	}
}

// likeCovered gives a directory the mode of the one that a mount is going to cover. One that is not there yet gives none.
func (t *Tree) likeCovered(p *plan.Plan, m *mount, dir plan.Reg) {
	none := p.Label("nothing at " + m.dest)
	var covered *plan.Step
	if in := t.shows(m.dest); t.rooms() && in != nil && in.bind() {
		covered = p.OpenInside(in.tree, inside(strings.TrimPrefix(m.place, in.place)), unix.O_PATH|unix.O_DIRECTORY)
	} else {
		covered = p.OpenInRoot(t.root, m.place, unix.O_PATH|unix.O_DIRECTORY|m.placeFlags)
	}
	at := covered.On(plan.AnyErrno, none).To("covered")
	t.chmodLike(p, at, dir)
	p.Close(at)
	p.Here(none)
}

// chmodLike gives dir the mode of another directory, which only the child sees.
func (t *Tree) chmodLike(p *plan.Plan, of, dir plan.Reg) {
	p.Do("fchmodat", unix.SYS_FCHMODAT, plan.R(dir), plan.S("."), plan.R(p.ModeOf(of)))
}

// owner is what the options of a tmpfs say of the owner of its root, in the form of chown(2): an id that they do not name is -1.
func (m *mount) owner() (uid, gid uint32, said bool) {
	uid, gid = ^uint32(0), ^uint32(0)
	for _, o := range m.data {
		n, err := strconv.ParseUint(o.value, 10, 32)
		if err != nil {
			continue
		}
		switch o.key {
		case "uid":
			uid, said = uint32(n), true
		case "gid":
			gid, said = uint32(n), true
		}
	}
	return uid, gid, said
}

// mode is what the options of a tmpfs say, or what it has without.
func (m *mount) mode() uint32 {
	for _, o := range m.data {
		if mode, err := strconv.ParseUint(o.value, 8, 32); o.key == "mode" && err == nil {
			return uint32(mode & 0o7777)
		}
	}
	return 0o1777
}
