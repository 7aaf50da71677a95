package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// A start that is killed before it has written its record leaves a directory, and perhaps a cgroup, a share of caches and a
// process. `delete --force` removes them by name; but a run's name is random, and nobody knows it. So whoever lists
// containers, or runs or deletes one, removes what such starts have left: a directory without a record whose lock nobody
// holds. A start under way holds it.

// sweepMost is how many names run and delete look at. A state root with more is looked through by list.
const sweepMost = 512

// Sweep removes what starts that were killed have left behind. It says nothing: who calls has asked for something else.
func (r *Runtime) Sweep() {
	root, err := r.openRoot()
	if err != nil {
		return
	}
	entries, _ := readDir(root, sweepMost)
	for _, e := range entries {
		if !e.IsDir() || spec.ValidID(e.Name()) != nil || isThere(root, e.Name()+"/"+recordFile) || !r.mayBeLeft(root, e.Name()) {
			continue
		}
		if d, err := r.open(e.Name()); err == nil {
			r.sweep(d)
		}
	}
}

// readDir lists a directory of which we have no more than a path; most is -1 for all.
func readDir(dir *os.File, most int) ([]os.DirEntry, error) {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir.Name(), Err: err}
	}
	f := os.NewFile(uintptr(fd), dir.Name())
	defer f.Close()
	return f.ReadDir(most)
}

func isThere(dir *os.File, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// mayBeLeft says whether a name without a record is worth a look. In /tmp as a state root there are many.
func (r *Runtime) mayBeLeft(root *os.File, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(root.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && notOurs(&st) == "" &&
		(st.Mode&unix.S_ISVTX != 0 || r.dedicated())
}

// dedicated says whether the state root is there for state alone: the default one, or one that we have made.
func (r *Runtime) dedicated() bool {
	var st unix.Stat_t
	return r.ownRoot || unix.Fstat(int(r.state.Fd()), &st) == nil && notOurs(&st) == "" && st.Mode&unix.S_ISVTX != 0
}

// sweepPatience is how long the killed process of such a start may take to be gone; else the next one sweeps.
const sweepPatience = 100 * time.Millisecond

// sweep removes what is in d, where it is a leftover, and closes d.
func (r *Runtime) sweep(d *dir) {
	if d.lock(unix.LOCK_EX|unix.LOCK_NB) != nil || d.recorded() || !d.marked && !r.dedicated() {
		d.close()
		return
	}
	_ = r.clear(d, func(string) {}) // what stays, the next one tries
}

// errNotLeft is a directory that no start of ours has left.
var errNotLeft = errors.New("is no container's directory")

// clear removes a directory without a record, and what it leads to, and closes it. tell hears what could not be removed.
func (r *Runtime) clear(d *dir, tell func(string)) error {
	if err := d.leftover(); err != nil {
		d.close()
		return err
	}
	if err := d.process().end(sweepPatience); err != nil {
		d.close()
		return err
	}
	return r.discard(d, nil, tell)
}

// ours are the names of what a start makes in its directory before there is a record.
var ours = []string{
	recordFile, pidLink, groupLink, shareLink, startFile, networkDir, notifyDir,
	recordFile + newSuffix, groupLink + newSuffix, shareLink + newSuffix,
}

// leftover is an error where there is anything in the directory that no start makes: somebody's work, in a state root that
// is his directory of projects.
func (d *dir) leftover() error {
	names, err := d.names()
	if err != nil {
		return fmt.Errorf("look at %s: %w", d.path, err)
	}
	if i := slices.IndexFunc(names, func(name string) bool { return !slices.Contains(ours, name) }); i >= 0 {
		return fmt.Errorf("%s %w: there is %q in it", d.path, errNotLeft, names[i])
	}
	return nil
}

// discard removes a container's directory and what it leads to, as far as that
// goes, and closes it. It is an error when the directory stays; tell hears the rest.
func (r *Runtime) discard(d *dir, rec *Record, tell func(string)) error {
	r.settle(rec)
	r.leaveShare(d)
	if err := r.leaveGroup(d, rec); err != nil {
		tell(err.Error())
	}
	return d.remove()
}

// over says whether a container is one that a foreground run would have removed, had it not been killed.
func (r *Record) over() bool { return r.AutoRemove && r.Hooks == nil && !r.alive() }

// sweepEnded removes such a container, and closes d then.
func (r *Runtime) sweepEnded(d *dir) bool {
	if d.lock(unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	rec, err := d.read() // what was seen before the lock may have been another one
	if err != nil || !rec.over() {
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
	root, err := r.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := readDir(root, -1)
	if err != nil {
		return nil, err
	}
	var list []State
	var foreign []string
	for _, e := range entries {
		if !e.IsDir() || spec.ValidID(e.Name()) != nil {
			continue
		}
		d, err := r.open(e.Name())
		var not *foreignError
		switch {
		case errors.As(err, &not) && isThere(root, e.Name()+"/"+recordFile):
			foreign = append(foreign, not.path+" "+not.why)
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
func (r *Runtime) listed(d *dir) *State {
	rec, err := d.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.sweep(d)
		return nil
	case err != nil:
		r.Warn(err.Error())
		d.close()
		return nil
	case rec.over() && r.sweepEnded(d):
		return nil
	}
	defer d.close()
	return r.stateOf(d, rec)
}
