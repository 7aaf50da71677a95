package lifecycle

import (
	"fmt"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// hasGroup says whether the processes in the group of a container are its own. When
// it has ended, that is so only of one without a pid namespace, and only where no
// other container has come to use a group of that name.
func (r *Runtime) hasGroup(d *state.Dir, rec *state.Record) bool {
	switch {
	case !rec.Cgroup.Owned:
		return false
	case !rec.Ended():
		return true
	case rec.OwnPID || rec.Boot != proc.Boot():
		return false
	}
	if rec.Cgroup.Unit != "" { // a name that others may have, who write no note
		return d.At(r.Groups.Group(rec.Cgroup.Path).Owner())
	}
	return !r.takenOver(d, rec.Cgroup)
}

// takenOver says whether another container has begun in a group that was empty when
// this one had ended: it is noted there, and its own directory says so. A container
// could have forged the note alone, and somebody else the directory.
func (r *Runtime) takenOver(d *state.Dir, p cgroup2.Placement) bool {
	if p.Path == "" {
		return false
	}
	owner := r.Groups.Group(p.Path).Owner()
	if owner == "" || d.At(owner) {
		return false
	}
	return state.GroupNotedAt(owner).Path == p.Path
}

// leaveGroup removes the container's cgroup. What its processes have left behind
// there is ended first where nothing else has done it: with a pid namespace of its
// own all of the container has gone, and who is there is a stranger. Without a record
// there is only what a killed create has left, whose child has ended by itself.
func (r *Runtime) leaveGroup(d *state.Dir, rec *state.Record) error {
	p := d.Group()
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
	if err := p.Remove(r.Groups); err != nil {
		return fmt.Errorf("remove the container's cgroup: %w", err)
	}
	return nil
}
