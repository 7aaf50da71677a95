package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

func parseMount(s specs.Mount, f Facts) (*mount, error) {
	m := &mount{spec: s, dest: filepath.Clean("/" + s.Destination), fstype: s.Type, source: s.Source}
	if s.UIDMappings != nil || s.GIDMappings != nil {
		return nil, fmt.Errorf("uidMappings: idmapped mounts are not supported by this version")
	}
	if s.Type == "bind" || slices.Contains(s.Options, "bind") || slices.Contains(s.Options, "rbind") {
		m.fstype = ""
	} else if s.Type == "" || s.Type == "none" {
		return nil, fmt.Errorf("type: missing")
	}
	for _, o := range s.Options {
		if err := m.option(o); err != nil {
			return nil, err
		}
	}
	m.ownIDs = f.OwnIDs
	return m, m.finish(f)
}

// finish looks at what only the whole entry tells.
func (m *mount) finish(f Facts) error {
	switch m.fstype {
	case "":
		return m.finishBind(f)
	case "cgroup":
		m.fstype, m.data = "cgroup2", nil // only version 2 is supported
	case "devpts":
		// A group that does not exist inside cannot own terminals; devpts then
		// gives them to the caller's group, and everything still works.
		m.data = slices.DeleteFunc(m.data, func(o option) bool { return o.key == "gid" && !mapsGID(f, o.value) })
	case "overlay":
		m.lower = m.throwAway()
	}
	return nil
}

func (m *mount) finishBind(f Facts) error {
	if m.source == "" {
		return fmt.Errorf("source: missing for a bind mount")
	}
	if !filepath.IsAbs(m.source) {
		m.source = filepath.Join(f.Bundle, m.source)
	}
	info, err := os.Stat(m.source)
	if err != nil {
		return fmt.Errorf("bind source: %w", err)
	}
	m.file = !info.IsDir()
	return nil
}

// throwAway is the lower directory of an overlay that asks for no upper one.
func (m *mount) throwAway() string {
	lower := ""
	for _, o := range m.data {
		switch o.key {
		case "lowerdir":
			lower = unescape(o.value)
		case "upperdir":
			return ""
		}
	}
	return lower
}

// unescape undoes the backslashes with which an overlay's option protects a
// path that holds a ":" or ",".
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+1 < len(path) {
			i++
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func mapsGID(f Facts, value string) bool {
	var gid uint32
	if _, err := fmt.Sscanf(value, "%d", &gid); err != nil || f.MapsGID == nil {
		return err == nil
	}
	return f.MapsGID(gid)
}

// early says whether the mount can be made before the id map exists: nothing
// in it belongs to an id that we choose. Without a user namespace that is all
// of them: they are then made in the order they are listed in, which is what
// mountinfo shows since it sorts by mount id (Linux 6.8).
func (m *mount) early() bool {
	if m.lower != "" || m.copyUp {
		return false
	}
	return m.ownIDs || m.bind() || m.fstype == "proc" || m.fstype == "sysfs" || m.fstype == "cgroup2"
}

func (t *Tree) prepare(p *plan.Plan, m *mount) {
	if m.lower != "" {
		p.Act("open %s below the copy-on-write layer of %s", m.lower, m.dest)
		m.tree = p.Open(m.lower, unix.O_PATH|unix.O_DIRECTORY).To("lower")
		return
	}
	if !m.early() {
		return
	}
	if m.bind() {
		p.Act("bind %s to %s", m.source, m.dest)
		m.tree = t.clone(p, m.source, m.recursive)
		m.setAttr(p, m.attr, m.spread&^unix.MS_REC, false)
		m.setAttr(p, m.rattr, 0, true)
		return
	}
	t.create(p, m)
}

func (m *mount) setAttr(p *plan.Plan, a attribute, spread uint64, recursive bool) {
	if m.spread&unix.MS_REC != 0 && spread != 0 {
		p.SetAttr(m.tree, 0, 0, spread, true)
		spread = 0
	}
	if a.set != 0 || a.clear != 0 || spread != 0 {
		p.SetAttr(m.tree, a.set, a.clear, spread, recursive)
	}
}

// ladders are what is bound instead when the kernel refuses a fresh
// filesystem: because an outer runtime has masked parts of it
// (mount_too_revealing in fs/namespace.c), or because its namespace is not
// owned by our user namespace.
var ladders = map[string]struct{ path, note string }{
	"proc":    {"/proc", NoteProcBound},
	"sysfs":   {"/sys", NoteSysBound},
	"cgroup2": {"/sys/fs/cgroup", NoteCgroupBound},
	"mqueue":  {"/dev/mqueue", NoteMqueueBound},
}

// create makes a filesystem as a detached mount.
func (t *Tree) create(p *plan.Plan, m *mount) {
	p.Act("mount %s on %s", m.fstype, m.dest)
	m.tree = p.Reg(m.fstype)
	ladder, bound := ladders[m.fstype]
	var instead, done plan.Label
	refusedBy := []unix.Errno{unix.EPERM, unix.EBUSY}
	fall := func(s *plan.Step) *plan.Step {
		for _, e := range refusedBy {
			if bound {
				s.On(e, instead)
			}
		}
		return s
	}
	if bound {
		instead, done = p.Label("bind "+ladder.path), p.Label("have "+m.fstype)
	}
	fs := fall(p.Fsopen(m.fstype)).To(m.fstype + " context")
	source := m.source
	if source == "" {
		source = m.fstype
	}
	p.FsString(fs, "source", source)
	for _, o := range m.data {
		if o.value == "" && o.key != "source" {
			p.FsFlag(fs, o.key)
		} else {
			p.FsString(fs, o.key, o.value)
		}
	}
	fall(p.FsCreate(fs))
	fall(p.Fsmount(fs, m.attr.set)).Into(m.tree)
	if m.spread != 0 {
		p.SetAttr(m.tree, 0, 0, m.spread&^unix.MS_REC, m.spread&unix.MS_REC != 0)
	}
	if !bound {
		return
	}
	p.Goto(done)
	p.Here(instead)
	p.Act("bind the host's %s instead", ladder.path)
	p.CloneTree(plan.Cwd(), ladder.path, true).Into(m.tree)
	if m.attr.set != 0 {
		p.SetAttr(m.tree, m.attr.set, 0, unix.MS_PRIVATE, true)
	}
	p.Note(ladder.note)
	p.Here(done)
}

func (t *Tree) attach(p *plan.Plan, m *mount) {
	switch {
	case m.lower != "":
		t.createOverlay(p, m)
	case m.copyUp:
		t.createCopyUp(p, m)
	case !m.early():
		t.create(p, m)
	}
	p.Act("attach %s", m.dest)
	flags := 0
	if m.fstype == "proc" || m.fstype == "sysfs" {
		// A link at /proc would put the real one elsewhere and leave writes to
		// "/proc" in the image's hands (CVE-2019-19921).
		flags = unix.O_NOFOLLOW
	}
	p.MoveMount(m.tree, t.find(p, m.dest, !m.file, flags))
}

// createOverlay makes a copy-on-write view of a directory whose upper layer
// lives in memory and dies with the container.
func (t *Tree) createOverlay(p *plan.Plan, m *mount) {
	t.scratch(p)
	p.Act("make a copy-on-write layer over %s", m.lower)
	t.overlay(p, m, m.tree, t.upper, t.facts.Scratch, 0o755)
	for _, o := range m.data {
		if o.key != "lowerdir" && o.value != "" {
			p.FsString(m.context, o.key, o.value)
		}
	}
	t.finishOverlay(p, m)
}

// createCopyUp makes a tmpfs that begins with what the directory holds. Nothing
// is copied: the directory becomes the lower layer of an overlay whose upper
// one is the tmpfs, and looks the same from inside.
func (t *Tree) createCopyUp(p *plan.Plan, m *mount) {
	t.scratch(p)
	below := t.find(p, m.dest, true, 0)
	t.create(p, m)
	p.Act("let the tmpfs on %s begin with what is there", m.dest)
	dir := "copy" + t.number(m)
	p.Mkdirat(plan.R(t.upper), dir, 0o700)
	at := p.OpenAt(plan.R(t.upper), dir, unix.O_PATH|unix.O_DIRECTORY, 0).To("copy place")
	p.MoveMount(m.tree, at)
	t.overlay(p, m, below, m.tree, filepath.Join(t.facts.Scratch, dir), t.modeOf(m))
	t.finishOverlay(p, m)
}

// overlay begins an overlay of below, with an upper layer in the directory
// room, which is at path. The lower layer is named relative to the working
// directory and the upper one by a path of our own: no path of the caller's
// that could hold a ":" or "," is ever parsed as an option.
func (t *Tree) overlay(p *plan.Plan, m *mount, below, room plan.Reg, path string, mode uint32) {
	up, work := "upper"+t.number(m), "work"+t.number(m)
	p.Mkdirat(plan.R(room), up, mode)
	p.Mkdirat(plan.R(room), work, 0o700)
	p.Fchdir(below)
	m.context = p.Fsopen("overlay").To("overlay context")
	p.FsString(m.context, "lowerdir", ".")
	p.FsString(m.context, "upperdir", filepath.Join(path, up))
	p.FsString(m.context, "workdir", filepath.Join(path, work))
	// Without real root only user.* attributes can record whiteouts
	// (Linux 5.11, commit 2d2f2d7322ff).
	p.FsFlag(m.context, "userxattr")
}

func (t *Tree) finishOverlay(p *plan.Plan, m *mount) {
	p.FsCreate(m.context)
	m.tree = p.Fsmount(m.context, m.attr.set).To("overlay")
	p.Chdir("/")
}

func (t *Tree) number(m *mount) string { return strconv.Itoa(slices.Index(t.mounts, m)) }

// modeOf is the mode of a tmpfs's root: the option's, or the directory's own.
func (t *Tree) modeOf(m *mount) uint32 {
	for _, o := range m.data {
		if mode, err := strconv.ParseUint(o.value, 8, 12); o.key == "mode" && err == nil {
			return uint32(mode)
		}
	}
	var st unix.Stat_t
	if unix.Lstat(filepath.Join(t.path, m.dest), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return st.Mode & 0o7777
	}
	return 0o1777
}

// scratch mounts a tmpfs over the scratch directory, once. It must be attached:
// overlayfs refuses layers on a detached mount before Linux 6.15.
func (t *Tree) scratch(p *plan.Plan) {
	if t.upper != 0 {
		return
	}
	p.Act("make room for copy-on-write layers")
	fs := p.Fsopen("tmpfs").To("scratch context")
	p.FsString(fs, "mode", "0700")
	p.FsCreate(fs)
	t.upper = p.Fsmount(fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV).To("scratch")
	at := p.Open(t.facts.Scratch, unix.O_PATH|unix.O_DIRECTORY).To("scratch place")
	p.MoveMount(t.upper, at)
}
