package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// mount is one entry of spec.mounts, understood.
type mount struct {
	spec      specs.Mount
	field     string // "mounts[3]", for messages
	index     int    // 3
	dest      string
	place     string // dest as openat2 with RESOLVE_IN_ROOT wants it
	fstype    string // "" for a bind
	source    string // bind: absolute path in the caller's tree
	recursive bool   // rbind
	attr      attribute
	flagged   bool      // by an option of attr or times
	times     times     // what the options leave of the access-time flags
	rattr     attribute // rro and its kin
	spread    []uint64  // propagation, MS_REC included, in the order they were said
	data      []option
	lower     string // overlay with a throw-away upper layer: what is below
	copyUp    bool   // tmpfs that begins with what the directory holds
	remount   bool   // no mount of its own: a change of the one that is there

	sealed    bool // read-only, once the devices are in it
	sealBelow bool // and the mounts below

	grouped bool // it shows a cgroup namespace that does not exist from the beginning

	mapped   bool // idmap: owners are shown through an id map
	mapBelow bool // ridmap: on the mounts below too
	ids      int  // user namespace with that map

	sourceLink bool   // a source that is a link is not followed
	copyLink   bool   // a source that is a link is made again
	link       string // what that link says
	placeFlags int    // for opening the destination

	of      *handle.Handle // bind, lower: what the source named when it was looked at
	tree    plan.Reg       // the mount, attached nowhere yet
	context plan.Reg       // of a filesystem being made
	made    plan.Reg       // zero where the kernel has refused to make it
	file    bool           // bind of something that is no directory
	inner   string         // bind of what earlier mounts show there, from the root on; "" for what is the host's
}

func (m *mount) bind() bool { return m.fstype == "" && !m.remount }

func (t *Tree) parseMount(i int, s specs.Mount) (*mount, error) {
	m := &mount{
		spec: s, field: fmt.Sprintf("mounts[%d]", i), index: i, dest: t.destination(s.Destination),
		fstype: s.Type, source: s.Source, ids: -1, remount: slices.Contains(s.Options, "remount"),
	}
	m.place = inside(m.dest)
	if s.Type == "bind" {
		m.fstype = ""
	} else if (s.Type == "" || s.Type == "none") && !m.remount && !slices.Contains(s.Options, "bind") && !slices.Contains(s.Options, "rbind") {
		return nil, fmt.Errorf("type: missing; a bind mount has bind or rbind among its options")
	}
	for _, o := range s.Options {
		if err := m.option(o); err != nil {
			return nil, err
		}
	}
	m.attr.add(m.times.attribute())
	if m.source == "" && m.remount {
		m.source = m.dest
	}
	if err := m.finish(t); err != nil {
		return nil, err
	}
	return m, m.findIDs(t.facts)
}

// finish looks at what only the whole entry tells.
func (m *mount) finish(t *Tree) error {
	if m.dest == "/dev" && !m.remount {
		m.sealLater()
	}
	if m.dest == "/dev" || m.fstype == "proc" || m.fstype == "sysfs" {
		// A link at /proc would put the real one elsewhere and leave writes to
		// "/proc" in the image's hands (CVE-2019-19921); one at /dev would have
		// device files made wherever it leads.
		m.placeFlags |= unix.O_NOFOLLOW
	}
	switch {
	case m.remount:
		return m.finishRemount()
	case m.bind():
		return m.finishBind(t)
	}
	m.attr.add(m.rattr) // nothing is below a new filesystem
	m.rattr = attribute{}
	switch m.fstype {
	case "cgroup":
		if err := m.unify(); err != nil {
			return err
		}
		if t.facts.Group == nil && t.mountedBelow(m.dest) {
			t.version1Tree(m)
		}
	case "devpts":
		t.devptsGroup(m)
	case "overlay":
		if m.lower = m.throwAway(); m.lower != "" {
			m.of = t.facts.Paths[m.lower]
		}
	}
	if m.grouped = m.fstype == "cgroup2" && t.facts.Group != nil; m.fstype == "cgroup2" && !m.grouped {
		t.othersGroup(m)
	}
	t.label(m)
	return nil
}

// othersGroup makes a cgroup2 read-only that does not show a group of the container's own, but that of whoever started it: to
// write there ends or stops their processes (cgroup.kill, cgroup.freeze).
func (t *Tree) othersGroup(m *mount) {
	if m.attr.set&unix.MOUNT_ATTR_RDONLY == 0 {
		m.attr.set |= unix.MOUNT_ATTR_RDONLY
		t.losses.Degrade(kernel.FeatMounts, m.dest+" is read-only", kernel.New(kernel.CgroupDelegated, "it shows the cgroup of whoever started the container"))
	}
}

// mountedBelow says whether a later mount has its place below a path.
func (t *Tree) mountedBelow(dest string) bool {
	return slices.ContainsFunc(t.spec.Mounts[len(t.mounts)+1:], func(m specs.Mount) bool {
		return strings.HasPrefix(t.destination(m.Destination), dest+"/")
	})
}

// version1Tree makes of a cgroup mount an empty directory with places for what is mounted below it, as in the trees of
// version 1: engines bind the one of systemd there (podman run --systemd=always). In a tree of version 2 no place can be
// made that is not a group, and this one is not the container's.
func (t *Tree) version1Tree(m *mount) {
	m.fstype, m.data = "tmpfs", []option{{"mode", "755"}}
	m.sealLater()
	t.losses.Degrade(kernel.FeatMounts, m.dest+" has nothing but what is mounted below it", kernel.New(kernel.CgroupNoV2, "the container has no cgroup of its own"))
}

// sealLater puts off what would keep us from making devices and mount points in
// /dev, as runc does.
func (m *mount) sealLater() {
	m.sealed = (m.attr.set|m.rattr.set)&unix.MOUNT_ATTR_RDONLY != 0
	m.sealBelow = m.rattr.set&unix.MOUNT_ATTR_RDONLY != 0
	m.attr.set &^= unix.MOUNT_ATTR_RDONLY
	m.rattr.set &^= unix.MOUNT_ATTR_RDONLY
}

// version1 are options of a mount of version 1 that say which of its trees it
// shows. There is one tree in version 2, and it has all.
var version1 = strings.Fields(`all none xattr noprefix clone_children cpuset_v2_mode blkio cpu cpuacct cpuset devices freezer hugetlb
	memory misc net_cls net_prio perf_event pids rdma name release_agent`)

// unify makes of type "cgroup", which is what engines write for either, the one
// that there is.
func (m *mount) unify() error {
	m.fstype = "cgroup2"
	m.data = slices.DeleteFunc(m.data, func(o option) bool { return slices.Contains(version1, o.key) })
	for _, o := range m.data {
		if !strings.HasPrefix(o.key, "memory_") && !slices.Contains([]string{"nsdelegate", "favordynmods", "pids_localevents"}, o.key) {
			return fmt.Errorf("option %q: unknown for a cgroup file system", o.key)
		}
	}
	return nil
}

// devptsGroup leaves out a group that does not exist inside and so cannot own
// terminals; devpts then gives them to the caller's, and everything still works.
func (t *Tree) devptsGroup(m *mount) {
	m.data = slices.DeleteFunc(m.data, func(o option) bool {
		lost := o.key == "gid" && !mapsGID(t.facts, o.value)
		if lost {
			t.losses.Degrade(kernel.FeatTerminal, "new terminals do not belong to group "+o.value, kernel.New(kernel.DevptsGid))
		}
		return lost
	})
}

func (m *mount) finishBind(t *Tree) error {
	m.data = slices.DeleteFunc(m.data, func(o option) bool {
		its := o.value == "" && slices.Contains([]string{"sync", "dirsync", "lazytime"}, o.key)
		if its {
			t.losses.Degrade(kernel.FeatMounts, m.dest+" without "+o.key, kernel.New(kernel.NotSupported, "a bind shows a filesystem, whose own option that is"))
		}
		return its
	})
	if len(m.data) > 0 {
		o := m.data[0]
		return fmt.Errorf("option %q: unknown for a bind mount: it shows a filesystem and cannot change its options", strings.TrimSuffix(o.key+"="+o.value, "="))
	}
	if m.source == "" {
		return fmt.Errorf("source: missing for a bind mount")
	}
	typed := m.source
	if !filepath.IsAbs(m.source) {
		m.source = filepath.Join(t.facts.Bundle, m.source)
	}
	if m.inner = t.inRoot(m); m.inner != "" {
		return nil
	}
	if err := m.lookAtSource(t, typed); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			at.Op = "stat" // all that is done with it here
		}
		return fmt.Errorf("bind source: %w", err)
	}
	m.file = !m.of.IsDir()
	return nil
}

// lookAtSource opens the source, which may begin at the bundle.
func (m *mount) lookAtSource(t *Tree, typed string) (err error) {
	if shown := t.facts.Paths.Shown(m.dest); shown != nil && m.source == m.dest {
		m.of = shown
		return nil
	}
	if !m.sourceLink && !m.copyLink {
		m.of, err = t.facts.Paths.OpenIn(t.facts.Bundle, typed)
		return err
	}
	if m.of, err = handle.OpenLink(m.source); err != nil {
		return err
	}
	t.facts.Paths.Add(m.field, m.of) // two mounts may have the link and what it names
	m.copyLink = m.copyLink && m.of.Kind() == unix.S_IFLNK
	if m.copyLink {
		m.link, err = m.of.Target()
	}
	return err
}

// inPlace says whether a bind puts what the container shows at its destination
// anyway over itself, to make a mount point of it: nobody can rename or remove
// one (rename(2), EBUSY).
func (t *Tree) inPlace(m *mount) bool {
	return m.bind() && m.source == m.dest && m.ids < 0 && t.facts.Paths.Shown(m.dest) != nil
}

// pin puts a mount over what is there, looked up once.
func (t *Tree) pin(p *plan.Plan, m *mount) {
	p.Act("make a mount point of %s", m.dest)
	p.About(m.attempt(kernel.Attach))
	at := t.below(p, m.dest, t.facts.Paths.Shown(m.dest))
	m.tree = p.CloneTree(plan.R(at), "", m.recursive).To("copy")
	m.setAttrs(p)
	spread(p, m.tree, m.spread)
	p.MoveMount(m.tree, at)
	t.places.there[m.place] = m
}

// setAttrs sets what the options say of the mount itself.
func (m *mount) setAttrs(p *plan.Plan) {
	setAttr(p, m.tree, m.attr, false, m.dest, flags("", m.source))
	setAttr(p, m.tree, m.rattr, true, m.dest, flags("", m.source))
}

// below opens a file of the host where the container shows it, and no other: it
// begins at the mount that shows it and follows no link, which a name for the
// whole way could.
func (t *Tree) below(p *plan.Plan, path string, of *handle.Handle) plan.Reg {
	from, name := t.root, inside(path)
	if m := t.shows(path); m != nil && m.bind() {
		from, name = m.tree, inside(strings.TrimPrefix(name, m.place))
	}
	return p.OpenSame(from, name, of.Path, of.Dev, of.Ino)
}

// shows is the mount, of those that are attached already, in which a path is
// looked up, nil for the root.
func (t *Tree) shows(path string) *mount {
	place := inside(path)
	if "/"+place == path {
		place = up(place) // what is there itself is looked up in what is above
	}
	if m := last(t.places.there, place); m != nil && m.place != "." {
		return m
	}
	return nil
}

// inRoom says whether a path lies in something that was made for the container.
func (t *Tree) inRoom(path string) bool {
	if m := t.shows(path); m != nil {
		return !m.bind()
	}
	return t.rooms() && slices.ContainsFunc(t.facts.Hidden, func(h *handle.Handle) bool { return within(inside(path), inside(h.Path)) })
}

func mapsGID(f Facts, value string) bool {
	var gid uint32
	if _, err := fmt.Sscanf(value, "%d", &gid); err != nil || f.MapsGID == nil {
		return err == nil
	}
	return f.MapsGID(gid)
}

// early says whether a bind, or the filesystem of a mount, can be made before the id map exists: nothing
// in it belongs to an id that we choose.
func (m *mount) early() bool {
	if m.remount || m.lower != "" || m.copyUp || m.grouped || m.inner != "" {
		return false
	}
	owned := slices.ContainsFunc(m.data, func(o option) bool { return o.key == "gid" || o.key == "uid" })
	return m.bind() || (m.fstype == "proc" || m.fstype == "sysfs" || m.fstype == "cgroup2") && !owned
}

func (t *Tree) prepare(p *plan.Plan, m *mount) {
	switch {
	case m.lower != "":
		p.Act("open %s below the copy-on-write layer of %s", m.lower, m.dest)
		m.tree = p.Open(Copy{Path: m.lower, Of: m.of}.name(), unix.O_PATH|unix.O_DIRECTORY).To("lower")
		t.same(p, m.tree, m.of)
	case m.link != "" || !m.early() || t.inPlace(m) || t.taken(m) != "":
	case m.bind():
		p.Act("bind %s to %s", m.source, m.dest)
		p.About(copying(m.source))
		m.tree = t.clone(p, Copy{Path: m.source, Recursive: m.recursive, Link: m.sourceLink, IDs: m.ids, MapBelow: m.mapBelow, Of: m.of}, m.field)
		if m != t.mounts[0] || !t.rooms() {
			t.clearOthers(p, m)
			m.setAttrs(p)
		}
		if len(m.spread) == 0 && t.shared() {
			// A root that is shared with the host shares no bind that did not
			// ask for it.
			spread(p, m.tree, []uint64{unix.MS_SLAVE | unix.MS_REC})
		}
		spread(p, m.tree, m.spread)
		if m != t.mounts[0] || t.covers != 0 {
			t.shelf.put(p, m.tree)
		}
	case t.begun < t.shelf.crowd():
		t.begun++
		t.begin(p, m)
	}
}
