package state

import (
	"encoding/json"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/handle"
)

// NoteGroup writes down where the container's cgroup is.
func (d *Dir) NoteGroup(p cgroup2.Placement) error { return d.Note(groupLink, p) }

// ForgetGroup takes that back.
func (d *Dir) ForgetGroup() { _ = unix.Unlinkat(d.FD(), groupLink, 0) }

// Group is what groupLink says; the zero value is a container in the group of
// whoever started it. The top of the tree is nobody's: to kill there would end
// everybody.
func (d *Dir) Group() cgroup2.Placement {
	var p cgroup2.Placement
	if json.Unmarshal([]byte(d.Link(groupLink)), &p) != nil || p.Path != "" && (p.Path == "/" || path.Clean("/"+p.Path) != p.Path) {
		return cgroup2.Placement{}
	}
	return p
}

// Placed is Group, of one that has come to be.
func (d *Dir) Placed() cgroup2.Placement {
	p := d.Group()
	if p.Path == "" {
		return cgroup2.Placement{}
	}
	return p
}

// File is which directory it is.
func (d *Dir) File() handle.ID {
	var st unix.Stat_t
	if unix.Fstat(d.FD(), &st) != nil {
		return handle.ID{}
	}
	return handle.ID{Dev: st.Dev, Ino: st.Ino}
}

// At says whether a path leads to the directory.
func (d *Dir) At(path string) bool {
	var there unix.Stat_t
	return unix.Stat(path, &there) == nil && d.File() == handle.ID{Dev: there.Dev, Ino: there.Ino}
}

// GroupNotedAt is what another container's directory says of its group; the zero value where that is none of ours.
func GroupNotedAt(path string) cgroup2.Placement {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return cgroup2.Placement{}
	}
	other := &Dir{Path: path, f: os.NewFile(uintptr(fd), path)}
	defer other.Close()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || NotOurs(&st) != "" {
		return cgroup2.Placement{}
	}
	return other.Group()
}
