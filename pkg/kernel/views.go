package kernel

import (
	"path/filepath"
	"slices"
	"strings"
)

// Table is the mount table as it was when it was read.
type Table struct {
	host   Host
	mounts []mount
}

// Place is a path, and the id of the mount that it led to (statx(2), stx_mnt_id; Linux 5.8). Directories may have been
// renamed since: whoever opens the path compares.
type Place struct {
	Path  string
	Mount uint64
	Whole bool // of a view: it is the home itself, and not a part of one
}

// Table reads the mount table of this process.
func (h Host) Table() *Table { return &Table{h, h.mounts("self")} }

// Again reads it once more, and says whether it is still what it was. The paths in a table are put together while it is
// read, one after another, and directories above two mounts may be renamed between them.
func (t *Table) Again() bool {
	before := t.mounts
	t.mounts = t.host.mounts("self")
	return slices.Equal(before, t.mounts)
}

// Views returns the other places at which what lies at homes can be seen: where their file system, or a part of it with
// them, is mounted again, and where a part of what they hold is, but for what is shared anyway, or lies in it. A place that
// another mount lies over is none; sure says that there was no such one. Each is there once, in the table's order.
//
// It is about mounts of one file system. A copy (a snapshot), or an overlay with them below, is another one.
func (t *Table) Views(homes []Place, shared Place) (views []Place, sure bool) {
	sure = true
	cwd, inCwd, _ := t.inFS(shared)
	for _, home := range homes {
		own, inFS, ok := t.inFS(home)
		if own == nil {
			continue
		}
		if !ok {
			return []Place{{Path: home.Path}}, false // it was renamed meanwhile: nothing is on mount 0
		}
		for _, m := range t.mounts {
			if m.dev != own.dev || m.id == own.id {
				continue
			}
			view, whole := m.point, under(inFS, m.root)
			if whole {
				view = filepath.Join(m.point, strings.TrimPrefix(inFS, strings.TrimSuffix(m.root, "/")))
			} else if !under(m.root, inFS) || cwd != nil && cwd.dev == m.dev && under(m.root, inCwd) {
				continue
			}
			if t.at(view) != m.id {
				sure = false
			} else if p := (Place{view, uint64(m.id), whole}); view != home.Path && !slices.Contains(views, p) {
				views = append(views, p)
			}
		}
	}
	return views, sure
}

// inFS is the mount of a place, nil for one that is not in the table, and the path in its file system.
func (t *Table) inFS(p Place) (own *mount, path string, ok bool) {
	i := slices.IndexFunc(t.mounts, func(m mount) bool { return uint64(m.id) == p.Mount })
	if i < 0 {
		return nil, "", false
	}
	own = &t.mounts[i]
	return own, filepath.Join(own.root, strings.TrimPrefix(p.Path, strings.TrimSuffix(own.point, "/"))), under(p.Path, own.point)
}

// Kernels returns the places, besides /proc, /sys and /dev, of file systems through which the kernel is told things, a
// chroot's /proc say. What lies in one of them, or that another mount lies over, is none; sure says that the latter was not
// the case.
func (t *Table) Kernels() (places []Place, sure bool) {
	sure = true
	for _, m := range t.mounts {
		if !slices.Contains(kernelTypes, m.fstype) || slices.ContainsFunc(kernelDirs, func(dir string) bool { return under(m.point, dir) }) {
			continue
		}
		if in := t.at(m.point); in != m.id {
			sure = false
			continue
		}
		if up := t.holder(m); up == nil || !slices.Contains(kernelTypes, up.fstype) {
			places = append(places, Place{Path: m.point, Mount: uint64(m.id)})
		}
	}
	return places, sure
}

// at is the id of the mount that a path leads to, as the table has it, 0 where it does not say. It goes the kernel's way:
// from the root over each mount that it comes to.
func (t *Table) at(path string) int {
	here := 0
	for next := t.first(path); next != nil; next = t.over(here, path) {
		here = next.id
	}
	return here
}

// first is the mount in which all paths begin, or where that is not shown, as in a chroot, the first on the way.
func (t *Table) first(path string) (first *mount) {
	for i, m := range t.mounts {
		if under(path, m.point) && (m.parent == m.id || t.holder(m) == nil) && (first == nil || len(m.point) < len(first.point)) {
			first = &t.mounts[i]
		}
	}
	return first
}

// over is the first mount on the way to a path that lies in a mount, or over it.
func (t *Table) over(in int, path string) (first *mount) {
	for i, m := range t.mounts {
		if m.parent == in && m.id != in && under(path, m.point) && (first == nil || len(m.point) < len(first.point)) {
			first = &t.mounts[i]
		}
	}
	return first
}

// holder is the mount on which another one lies, nil where that is not in the table.
func (t *Table) holder(m mount) *mount {
	for i := range t.mounts {
		if t.mounts[i].id == m.parent && m.parent != m.id {
			return &t.mounts[i]
		}
	}
	return nil
}

// kernelDirs are where the kernel's file systems have their usual places, which are root's.
var kernelDirs = []string{"/proc", "/sys", "/dev"}

var kernelTypes = []string{"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "selinuxfs", "devpts", "bpf", "efivarfs", "configfs", "devtmpfs", "mqueue", "binfmt_misc"}
