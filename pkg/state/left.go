package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// A start that is killed before it has written its record leaves a directory, and perhaps a cgroup, a share of caches and a
// process: a directory without a record whose lock nobody holds. A start under way holds it.

// List are the names in the root that can be containers, at most so many; -1 is all. It is fs.ErrNotExist where there is
// no root.
func (r *Root) List(most int) (names []string, err error) {
	root, err := r.Open()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat(int(root.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // the root is no more than a path
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: r.Path, Err: err}
	}
	f := os.NewFile(uintptr(fd), r.Path)
	defer f.Close()
	entries, err := f.ReadDir(most)
	for _, e := range entries {
		if e.IsDir() && spec.ValidID(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Recorded says whether there is a record under a name, good or not.
func (r *Root) Recorded(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(r.dir.Fd()), name+"/"+RecordFile, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// MayBeLeft says whether a name without a record is worth a look. In /tmp as a state root there are many.
func (r *Root) MayBeLeft(name string) bool {
	var st unix.Stat_t
	return !r.Recorded(name) && unix.Fstatat(int(r.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && NotOurs(&st) == "" &&
		(st.Mode&unix.S_ISVTX != 0 || r.dedicated())
}

// dedicated says whether the state root is there for state alone: the default one, or one that we have made.
func (r *Root) dedicated() bool {
	var st unix.Stat_t
	return r.Own || unix.Fstat(int(r.dir.Fd()), &st) == nil && NotOurs(&st) == "" && st.Mode&unix.S_ISVTX != 0
}

// Unlink removes what has a container's name and is no directory.
func (r *Root) Unlink(name string) error { return unix.Unlinkat(int(r.dir.Fd()), name, 0) }

// TryLock locks the directory for a change unless somebody else has.
func (d *Dir) TryLock() error { return d.lock(unix.LOCK_EX | unix.LOCK_NB) }

// Left says whether the directory is what a start that was killed has left; it is locked then.
func (d *Dir) Left() bool {
	return d.TryLock() == nil && !d.Recorded() && (d.marked || d.root.dedicated())
}

// ours are the names of what a start makes in its directory before there is a record.
var ours = []string{
	RecordFile, SpecFile, PidLink, groupLink, ShareLink, LayerLink, StartFile, NetworkDir, NotifyDir,
	RecordFile + newSuffix, SpecFile + newSuffix, groupLink + newSuffix, ShareLink + newSuffix, LayerLink + newSuffix,
}

// ErrNotLeft is a directory that no start of ours has left.
var ErrNotLeft = errors.New("is no container's directory")

// OnlyOurs is an error where there is anything in the directory that no start makes: somebody's work, in a state root that
// is his directory of projects.
func (d *Dir) OnlyOurs() error {
	names, err := d.names()
	if err != nil {
		return fmt.Errorf("look at %s: %w", d.Path, err)
	}
	if i := slices.IndexFunc(names, func(name string) bool { return !slices.Contains(ours, name) }); i >= 0 {
		return fmt.Errorf("%s %w: there is %q in it", d.Path, ErrNotLeft, names[i])
	}
	return nil
}
