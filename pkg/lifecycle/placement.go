package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
)

// noteGroup writes down where the container's cgroup is.
func (d *dir) noteGroup(p cgroup2.Placement) error { return d.note(groupLink, p) }

func (d *dir) forgetGroup() { _ = unix.Unlinkat(d.fd(), groupLink, 0) }

// group is what groupLink says; the zero value is a container in the group of
// whoever started it. The top of the tree is nobody's: to kill there would end
// everybody.
func (d *dir) group() cgroup2.Placement {
	var p cgroup2.Placement
	if json.Unmarshal([]byte(d.link(groupLink)), &p) != nil || p.Path != "" && (p.Path == "/" || path.Clean("/"+p.Path) != p.Path) {
		return cgroup2.Placement{}
	}
	return p
}

// placed is group, of one that has come to be.
func (d *dir) placed() cgroup2.Placement {
	p := d.group()
	if p.Path == "" {
		return cgroup2.Placement{}
	}
	return p
}

// hasGroup says whether the processes in the group of a container are its own. When
// it has ended, that is so only of one without a pid namespace, and only where no
// other container has come to use a group of that name.
func (r *Runtime) hasGroup(d *dir, rec *Record) bool {
	switch {
	case !rec.Cgroup.Owned:
		return false
	case rec.alive():
		return true
	case rec.OwnPID || rec.Boot != proc.Boot():
		return false
	}
	if rec.Cgroup.Unit != "" { // a name that others may have, who write no note
		return d.at(r.Groups.Group(rec.Cgroup.Path).Owner())
	}
	return !r.takenOver(d, rec.Cgroup)
}

// takenOver says whether another container has begun in a group that was empty when
// this one had ended: it is noted there, and its own directory says so. A container
// could have forged the note alone, and somebody else the directory.
func (r *Runtime) takenOver(d *dir, p cgroup2.Placement) bool {
	if p.Path == "" {
		return false
	}
	owner := r.Groups.Group(p.Path).Owner()
	if owner == "" || d.at(owner) {
		return false
	}
	fd, err := unix.Open(owner, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	other := &dir{path: owner, f: os.NewFile(uintptr(fd), owner)}
	defer other.close()
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && notOurs(&st) == "" && other.group().Path == p.Path
}

// file is which directory it is.
func (d *dir) file() handle.ID {
	var st unix.Stat_t
	if unix.Fstat(d.fd(), &st) != nil {
		return handle.ID{}
	}
	return handle.ID{Dev: st.Dev, Ino: st.Ino}
}

// at says whether a path leads to the directory.
func (d *dir) at(path string) bool {
	var there unix.Stat_t
	return unix.Stat(path, &there) == nil && d.file() == handle.ID{Dev: there.Dev, Ino: there.Ino}
}

// leaveGroup removes the container's cgroup. What its processes have left behind
// there is ended first where nothing else has done it: with a pid namespace of its
// own all of the container has gone, and who is there is a stranger. Without a record
// there is only what a killed create has left, whose child has ended by itself.
func (r *Runtime) leaveGroup(d *dir, rec *Record) error {
	p := d.group()
	if !p.Owned || rec != nil && rec.Boot != proc.Boot() {
		return nil // another boot had other groups
	}
	if r.takenOver(d, p) {
		return nil
	}
	if rec != nil && !rec.OwnPID {
		g := r.Groups.Group(p.Path)
		if err := g.Kill(); err != nil && !cgroup2.Gone(err) {
			return fmt.Errorf("end what is left in the container's cgroup: %w", err)
		}
	}
	if rec != nil {
		r.thawInit(rec)
	}
	if err := p.Remove(r.Groups); err != nil {
		return fmt.Errorf("remove the container's cgroup: %w", err)
	}
	return nil
}
