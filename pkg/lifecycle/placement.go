package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"sandbox/pkg/cgroup2"
)

// noteGroup writes down where the container's cgroup is.
func (d *dir) noteGroup(p cgroup2.Placement) error { return d.note(groupLink, p) }

// note writes down, before it is made, what a killed create leaves outside of the
// directory. A link is there whole or not at all.
func (d *dir) note(name string, what any) error {
	b, err := json.Marshal(what)
	if err != nil {
		return err
	}
	link := filepath.Join(d.path, name)
	err = os.Symlink(string(b), link+".new")
	if err == nil {
		err = os.Rename(link+".new", link)
	}
	if err != nil {
		return fmt.Errorf("record the container's %s: %w", name, err)
	}
	return nil
}

func (d *dir) forgetGroup() { _ = os.Remove(filepath.Join(d.path, groupLink)) }

// groupOf is what groupLink says; the zero value is a container in the group of
// whoever started it. The top of the tree is nobody's: to kill there would end
// everybody.
func groupOf(dir string) cgroup2.Placement {
	var p cgroup2.Placement
	text, err := os.Readlink(filepath.Join(dir, groupLink))
	if err != nil || json.Unmarshal([]byte(text), &p) != nil || p.Path != "" && (p.Path == "/" || path.Clean("/"+p.Path) != p.Path) {
		return cgroup2.Placement{}
	}
	return p
}

// placed is groupOf, of a group that has come to be.
func placed(dir string) cgroup2.Placement {
	p := groupOf(dir)
	if p.Path == "" {
		return cgroup2.Placement{}
	}
	return p
}

// hasGroup says whether the processes in the group of a container are its own. When
// it has ended, that is so only of one without a pid namespace, and only where no
// other container has come to use a group of that name.
func (r *Runtime) hasGroup(dir string, rec *Record) bool {
	switch {
	case !rec.Cgroup.Owned:
		return false
	case rec.alive():
		return true
	case rec.OwnPID || rec.Boot != bootID():
		return false
	}
	if rec.Cgroup.Unit != "" { // a name that others may have, who write no note
		return sameFile(r.Groups.Group(rec.Cgroup.Path).Owner(), dir)
	}
	return !r.takenOver(dir, rec.Cgroup)
}

// takenOver says whether another container has begun in a group that was empty when
// this one had ended: it is noted there, and its own directory says so. A container
// could have forged the note alone.
func (r *Runtime) takenOver(dir string, p cgroup2.Placement) bool {
	if p.Path == "" {
		return false
	}
	owner := r.Groups.Group(p.Path).Owner()
	return owner != "" && !sameFile(owner, dir) && groupOf(owner).Path == p.Path
}

func sameFile(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

// leaveGroup removes the container's cgroup. What its processes have left behind
// there is ended first where nothing else has done it: with a pid namespace of its
// own all of the container has gone, and who is there is a stranger. Without a record
// there is only what a killed create has left, whose child has ended by itself.
func (r *Runtime) leaveGroup(d *dir, rec *Record) error {
	p := groupOf(d.path)
	if !p.Owned || rec != nil && rec.Boot != bootID() {
		return nil // another boot had other groups
	}
	if r.takenOver(d.path, p) {
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

// discard removes a container's directory and what it leads to, as far as that goes.
func (r *Runtime) discard(d *dir, rec *Record) {
	r.settle(rec)
	r.leaveShare(d)
	if err := r.leaveGroup(d, rec); err != nil {
		r.Warn(err.Error())
	}
	if err := d.remove(); err != nil {
		r.Warn(err.Error())
	}
}
