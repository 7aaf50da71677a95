package kernel

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"sandbox/pkg/proc"
)

// Table is the mount table as it was when it was read.
type Table struct {
	host   Host
	mounts []mount
	byID   map[int]*mount
	on     map[point]*mount // by where they lie; of several the first
	tops   []*mount         // those that lie on none of the table
	err    error
}

// point is where a mount lies: on which other one, and the path there.
type point struct {
	parent int
	path   string
}

// Place is a path, and the id of the mount that it led to (statx(2), stx_mnt_id; Linux 5.8). Directories may have been
// renamed since: whoever opens the path compares.
type Place struct {
	Path  string
	Mount uint64
	Whole bool // it is the home itself, and not a part of one; of a home that is asked about: only that counts
	All   bool // of a home that is asked about: also what lies in what is shared
}

// Table reads the mount table of this process.
func (h Host) Table() *Table {
	t := &Table{host: h}
	t.Again()
	return t
}

// Err says why the table is not all there: somebody has made it larger than anybody reads.
func (t *Table) Err() error { return t.err }

// Again reads it once more.
func (t *Table) Again() {
	data, err := proc.ReadFile(t.host.proc("self/mountinfo"))
	t.mounts, t.err = parseMountinfo(string(data)), nil
	t.index()
	if errors.Is(err, proc.ErrTooLarge) {
		t.err = err
	}
}

// index makes a question about a mount cost no walk through all of the others: a host may have thousands.
func (t *Table) index() {
	t.byID, t.on, t.tops = make(map[int]*mount, len(t.mounts)), make(map[point]*mount, len(t.mounts)), nil
	for i := range t.mounts {
		t.byID[t.mounts[i].id] = &t.mounts[i]
	}
	for i := range t.mounts {
		m := &t.mounts[i]
		at := point{m.parent, m.point}
		switch {
		case t.holder(m) == nil:
			t.tops = append(t.tops, m)
		case t.on[at] == nil:
			t.on[at] = m
		}
	}
}

// Plain says that no file system is mounted twice, and none of the kernel's in an unusual place: then there are no Views, and
// no Kernels.
func (t *Table) Plain() bool {
	seen := make(map[string]bool, len(t.mounts))
	for i := range t.mounts {
		m := &t.mounts[i]
		if m.kernels() {
			if !m.usual() {
				return false
			}
			continue
		}
		if seen[m.dev] {
			return false
		}
		seen[m.dev] = true
	}
	return true
}

// Views returns the other places at which what lies at homes can be seen: where their file system, or a part of it with
// them, is mounted again, and where a part of what they hold is, but for what is shared anyway, or lies in it. A place that
// another mount lies over is none; over has where that one is, for whoever believes a path only where nobody renames
// directories: the paths of a table are put together one after another. Each is there once, in the table's order.
//
// It is about mounts of one file system. A copy (a snapshot), or an overlay with them below, is another one.
func (t *Table) Views(homes []Place, shared Place) (views []Place, over []string) {
	cwd, inCwd, ok := t.inFS(shared)
	if cwd != nil && !ok {
		return []Place{{Path: shared.Path}}, nil // it was renamed meanwhile: nothing is on mount 0
	}
	for _, home := range homes {
		own, inFS, ok := t.inFS(home)
		if own == nil {
			continue
		}
		if !ok {
			return []Place{{Path: home.Path}}, nil
		}
		for i := range t.mounts {
			m := &t.mounts[i]
			if m.dev != own.dev || m.id == own.id || m.source != own.source && strings.HasPrefix(m.fstype, "nfs") {
				continue // NFS has one file system for all that a server gives, and calls each part "/"
			}
			view, whole := m.point, under(inFS, m.root)
			if whole {
				view = m.shows(inFS)
			} else if home.Whole || !under(m.root, inFS) || !home.All && cwd != nil && cwd.dev == m.dev && under(m.root, inCwd) {
				continue
			}
			if t.inPlace(m, own) {
				continue
			}
			if at := t.at(view); at == nil || at.id != m.id {
				if at != own && !t.stacked(m) && !t.inPlace(at, m) { // a place that the home itself lies over
					over = append(over, at.place())
				}
			} else if p := (Place{Path: view, Mount: uint64(m.id), Whole: whole}); view != home.Path && !slices.Contains(views, p) {
				views = append(views, p)
			}
		}
	}
	return views, over
}

// inFS is the mount of a place, nil for one that is not in the table, and the path in its file system.
func (t *Table) inFS(p Place) (own *mount, path string, ok bool) {
	if own = t.byID[int(p.Mount)]; own == nil {
		return nil, "", false
	}
	ok = p.Path != "" && under(p.Path, own.point)
	return own, filepath.Join(own.root, strings.TrimPrefix(p.Path, strings.TrimSuffix(own.point, "/"))), ok
}

// shows is where a path of its file system, which it has, can be seen.
func (m *mount) shows(inFS string) string {
	return filepath.Join(m.point, strings.TrimPrefix(inFS, strings.TrimSuffix(m.root, "/")))
}

// Below returns the places of mounts directly in a directory whose file systems are mounted in another place too. To look at
// an automounter's would mount what it has.
func (t *Table) Below(path string) (places []Place) {
	times := make(map[string]int, len(t.mounts))
	for i := range t.mounts {
		times[t.mounts[i].dev]++
	}
	for i := range t.mounts {
		m := &t.mounts[i]
		if m.point == path || filepath.Dir(m.point) != path || times[m.dev] < 2 || m.kernels() || m.fstype == "autofs" {
			continue
		}
		if at := t.at(m.point); at != nil && at.id == m.id {
			places = append(places, Place{Path: m.point, Mount: uint64(m.id)})
		}
	}
	return places
}

// inPlace says whether a mount, and those between, show in another one what that has there itself, as the working directory
// of a sandbox does around this one: what it lies over is what it shows.
func (t *Table) inPlace(c, m *mount) bool {
	for c != nil && c.id != m.id {
		up := t.holder(c)
		if up == nil || up.dev != c.dev || c.root != filepath.Join(up.root, strings.TrimPrefix(c.point, strings.TrimSuffix(up.point, "/"))) {
			return false
		}
		c = up
	}
	return c != nil
}

// stacked says whether another mount lies over all of a mount, whatever is renamed: its holder is that mount itself.
func (t *Table) stacked(m *mount) bool { return t.on[point{m.id, m.point}] != nil }

// Kernels returns the places, besides /proc, /sys and /dev, of file systems through which the kernel is told things, a
// chroot's /proc say. What lies in one of them, or that another mount lies over, is none; over is as with Views.
func (t *Table) Kernels() (places []Place, over []string) {
	for i := range t.mounts {
		m := &t.mounts[i]
		if !m.kernels() || m.usual() {
			continue
		}
		if at := t.at(m.point); at == nil || at.id != m.id {
			if !t.stacked(m) {
				over = append(over, at.place())
			}
			continue
		}
		if up := t.holder(m); up == nil || !up.kernels() {
			places = append(places, Place{Path: m.point, Mount: uint64(m.id)})
		}
	}
	return places, over
}

// kernels says whether it is a file system through which the kernel is told things.
func (m *mount) kernels() bool { return slices.Contains(kernelTypes, m.fstype) }

// usual says whether it lies where the kernel's file systems have their places, which are root's.
func (m *mount) usual() bool {
	return slices.ContainsFunc(kernelDirs, func(dir string) bool { return under(m.point, dir) }) && (m.point == shm || !under(m.point, shm))
}

// place is where a mount is, "" for none.
func (m *mount) place() string {
	if m == nil {
		return ""
	}
	return m.point
}

// at is the mount that a path leads to, as the table has it, nil where it does not say. It goes the kernel's way: from the
// mount in which all paths begin, or where that is not shown, as in a chroot, the first on the way, over each that it comes to.
func (t *Table) at(path string) (here *mount) {
	for _, m := range t.tops {
		if under(path, m.point) && (here == nil || len(m.point) < len(here.point)) {
			here = m
		}
	}
	for next := here; next != nil; next = t.over(here.id, path) {
		here = next
	}
	return here
}

// over is the first mount on the way to a path that lies in a mount, or over it, nil for none.
func (t *Table) over(in int, path string) *mount {
	for dir := range ways(path) {
		if m := t.on[point{in, dir}]; m != nil {
			return m
		}
	}
	return nil
}

// ways are the directories on the way to a path, from "/" on, and the path.
func ways(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range []byte(path) {
			if c == '/' && !yield(path[:max(i, 1)]) {
				return
			}
		}
		if path != "/" {
			yield(path)
		}
	}
}

// holder is the mount on which another one lies, nil where that is not in the table.
func (t *Table) holder(m *mount) *mount {
	if m.parent == m.id {
		return nil
	}
	return t.byID[m.parent]
}

// kernelDirs are where the kernel's file systems have their usual places, which are root's.
var kernelDirs = []string{"/proc", "/sys", "/dev"}

// shm lies in one of them, and everybody writes there.
const shm = "/dev/shm"

var kernelTypes = []string{"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "selinuxfs", "devpts", "bpf", "efivarfs", "configfs", "devtmpfs", "mqueue", "binfmt_misc"}
