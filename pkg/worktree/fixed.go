package worktree

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// checkFixed looks at what was read-only: whether somebody outside has replaced it, after which the command could write it,
// and whether it was changed all the same, by another of its names or another mount.
func (g *Guard) checkFixed() (told []string) {
	for _, f := range g.fixed {
		st, err := g.statx(f.base, f.rel)
		same := err == nil && !g.born(&st) && id(&st) == f.id
		how := "replaced"
		if same {
			how = "changed"
		}
		switch {
		case errors.Is(err, unix.ENOENT) || same && !g.changed(&f, &st):
		case errors.Is(err, unix.EACCES):
			told = append(told, Quote(f.path)+" cannot be looked at: do so before you go on")
		case f.keys == nil:
			told = append(told, fmt.Sprintf("%s was %s while the command ran, by something outside or by the command: look at it before you go on", Quote(f.path), how))
		case f.added():
			if dir, name, ok := g.parent(f.base, f.rel); ok {
				told = append(told, moved(missing{dir, name, f.path}, "was "+how+" while the command ran, and says more that runs programs"))
			}
		}
	}
	return told
}

// changed says whether a file was changed since the start, or in a directory what git and editors act on there.
func (g *Guard) changed(f *fixed, st *unix.Statx_t) bool {
	if uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR {
		return g.during(st.Ctime)
	}
	fd, err := f.base.OpenAt(f.rel, unix.O_RDONLY|unix.O_DIRECTORY, noLinks)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	dir := &handle.Handle{FD: fd}
	entries, err := listFD(fd, make([]byte, 4<<10))
	if slices.ContainsFunc(entries, func(e entry) bool { return e.name == "HEAD" }) { // a git directory, in which its owner may be working
		for _, name := range append([]string{"config", "hooks"}, leading...) {
			if g.anew(dir, name) {
				return true
			}
		}
		return false
	}
	if g.during(st.Ctime) {
		return true
	}
	for _, e := range entries {
		if e.kind != unix.DT_DIR && g.anew(dir, e.name) {
			return true
		}
	}
	return err != nil
}

// anew says whether there is something of a name that was changed since the start.
func (g *Guard) anew(dir *handle.Handle, name string) bool {
	var st unix.Statx_t
	return unix.Statx(dir.FD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_CTIME, &st) == nil && g.during(st.Ctime)
}

// statx is what lies under a name, a link too. Another command may close directories and open them again: it is asked often
// enough to see one of them open.
func (g *Guard) statx(dir *handle.Handle, name string) (st unix.Statx_t, err error) {
	const mask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_CTIME | unix.STATX_BTIME
	for try := 0; ; try++ {
		err = unix.Statx(dir.FD, name, unix.AT_SYMLINK_NOFOLLOW, mask, &st)
		if !errors.Is(err, unix.EACCES) || try == 100 {
			return st, err
		}
		time.Sleep(10 * time.Microsecond)
	}
}

func id(st *unix.Statx_t) handle.ID {
	return handle.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
}

// added says whether a git configuration says more than it did that is not plain; one that cannot be read may.
func (f *fixed) added() bool {
	data, err := readBelow(f.base, f.rel)
	for try := 0; errors.Is(err, unix.EACCES) && try < 100; try++ {
		data, err = readBelow(f.base, f.rel)
	}
	vars, syntax := parseConfig(data)
	for _, v := range vars {
		if !plain(v) && !f.keys[v.name()+"="+v.value] {
			return true
		}
	}
	return err != nil || syntax != nil
}
