package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/state"
)

// A start that is killed before it has written its record leaves a directory, and perhaps a cgroup, a share of caches and a
// process. `delete --force` removes them by name; but a run's name is random, and nobody knows it. So whoever lists
// containers, or runs or deletes one, removes what such starts have left.

// sweepMost is how many names run and delete look at. A state root with more is looked through by list.
const sweepMost = 512

// Sweep removes what starts that were killed have left behind. It says nothing: who calls has asked for something else.
func (r *Runtime) Sweep() {
	names, _ := r.Root.List(sweepMost)
	for _, name := range names {
		if !r.Root.MayBeLeft(name) {
			continue
		}
		if d, err := r.Root.Dir(name); err == nil {
			r.sweep(d)
		}
	}
}

// sweepPatience is how long the killed process of such a start may take to be gone; else the next one sweeps.
const sweepPatience = 100 * time.Millisecond

// sweep removes what is in d, where it is a leftover, and closes d.
func (r *Runtime) sweep(d *state.Dir) {
	if !d.Left() {
		d.Close()
		return
	}
	_ = r.clear(d, func(string) {}) // what stays, the next one tries
}

// clear removes a directory without a record, and what it leads to, and closes it. tell hears what could not be removed.
func (r *Runtime) clear(d *state.Dir, tell func(string)) error {
	if err := d.OnlyOurs(); err != nil {
		d.Close()
		return err
	}
	if err := end(d.Process(), sweepPatience); err != nil {
		d.Close()
		return err
	}
	return r.discard(d, nil, tell)
}

// discard removes a container's directory and what it leads to, as far as that
// goes, and closes it. It is an error when the directory stays, as it does while somebody lives in the group; tell hears the
// rest.
func (r *Runtime) discard(d *state.Dir, rec *state.Record, tell func(string)) error {
	r.settle(rec)
	if err := r.leaveGroup(d, rec); inhabited(err) {
		d.Close()
		return err
	} else if err != nil {
		tell(err.Error())
	}
	r.leaveShare(d)
	r.leaveLayer(d)
	return d.Remove()
}

// inhabited says whether a group could not be removed because of who lives in it. Nothing but the container's record leads
// there.
func inhabited(err error) bool {
	var populated *cgroup2.PopulatedError
	return errors.As(err, &populated)
}

// sweepEnded removes such a container, and closes d then.
func (r *Runtime) sweepEnded(d *state.Dir) bool {
	if d.TryLock() != nil {
		return false
	}
	rec, err := d.Read() // what was seen before the lock may have been another one
	if err != nil || !rec.Over() {
		return false
	}
	if err := r.discard(d, rec, r.Warn); err != nil {
		r.Warn(err.Error())
	}
	return true
}

// List looks at all containers, by name. Directories without a record are
// being made, or left over and swept, and are no containers; a damaged record is told
// through warn and does not hide the others.
func (r *Runtime) List() ([]State, error) {
	names, err := r.Root.List(-1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []State
	var foreign []string
	for _, name := range names {
		d, err := r.Root.Dir(name)
		var not *state.ForeignError
		switch {
		case errors.As(err, &not) && r.Root.Recorded(name):
			foreign = append(foreign, not.Path+" "+not.Why)
		case err == nil:
			if s := r.listed(d); s != nil {
				list = append(list, *s)
			}
		}
	}
	if len(foreign) > 0 {
		r.Warn(leftOut(foreign))
	}
	slices.SortFunc(list, func(a, b State) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// leftOut is one line, however many there are: anybody can make some in a directory that is everybody's.
func leftOut(foreign []string) string {
	const most = 3
	text, more := foreign, ""
	if len(text) > most {
		text, more = text[:most], fmt.Sprintf(" and %d more", len(foreign)-most)
	}
	return "left out, for they are not ours alone: " + strings.Join(text, "; ") + more
}

// listed is the container in d, which is closed then; nil where there is none.
func (r *Runtime) listed(d *state.Dir) *State {
	rec, err := d.Read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.sweep(d)
		return nil
	case err != nil:
		r.Warn(err.Error())
		d.Close()
		return nil
	case rec.Over() && r.sweepEnded(d):
		return nil
	}
	defer d.Close()
	return r.stateOf(d, rec)
}

// evict removes what may make room for a container of that id, and closes d.
func (r *Runtime) evict(d *state.Dir) error {
	rec, err := d.Read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err = r.clear(d, r.Warn); errors.Is(err, state.ErrNotLeft) {
			err = fmt.Errorf("container with given ID already exists: %w", err)
		}
		return err
	case err == nil && rec.AutoRemove && rec.Ended():
		return r.discard(d, rec, r.Warn)
	}
	d.Close()
	return fmt.Errorf("container with given ID already exists: %s", quote(d.ID))
}
