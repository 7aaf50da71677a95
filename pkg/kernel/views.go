package kernel

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Table is the mount table as it was when it was read.
type Table struct {
	host   Host
	mounts []mount
}

// Table reads the mount table of this process.
func (h Host) Table() *Table { return &Table{h, h.mounts("self")} }

// Views returns the other paths at which what lies at paths can be seen, as the mount table has it: where their file
// system, or a part of it with them, is mounted again, and where a part of what they hold is. A path that no longer leads
// to such a mount, because another one lies over it, is none. Each is there once, in the table's order.
//
// It is about mounts of one file system. A copy (a snapshot), or an overlay with them below, is another one.
func (t *Table) Views(paths []string) []string {
	h, all := t.host, t.mounts
	var views []string
	for _, path := range paths {
		own, ok := mountOf(all, path)
		if !ok {
			continue
		}
		inFS := filepath.Join(own.root, strings.TrimPrefix(path, strings.TrimSuffix(own.point, "/")))
		for _, m := range all {
			if m.dev != own.dev || m.id == own.id {
				continue
			}
			view := m.point // a part of what path holds
			if under(inFS, m.root) {
				view = filepath.Join(m.point, strings.TrimPrefix(inFS, strings.TrimSuffix(m.root, "/")))
			} else if !under(m.root, inFS) {
				continue
			}
			if view != path && !slices.Contains(views, view) && h.shows(view, m) {
				views = append(views, view)
			}
		}
	}
	return views
}

// shows says whether a path leads to a mount now.
func (h Host) shows(path string, m mount) bool {
	if h.Proc != "" {
		return true // a table of a test's
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st) // Linux 5.8
	return err == nil && st.Mnt_id == uint64(m.id)
}

// KernelMounts lists the mount points strictly below dir of file systems through which the kernel is told things: a
// directory that is shared would bring them along.
func (t *Table) KernelMounts(dir string) []string {
	var points []string
	for _, m := range t.mounts {
		if m.point != dir && under(m.point, dir) && slices.Contains(kernelTypes, m.fstype) && !slices.Contains(points, m.point) {
			points = append(points, m.point)
		}
	}
	return points
}

var kernelTypes = []string{"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "selinuxfs", "devpts", "bpf", "efivarfs", "configfs", "devtmpfs", "mqueue", "binfmt_misc"}
