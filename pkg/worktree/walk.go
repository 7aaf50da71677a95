package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// mostHeld is how many levels of the walk keep their descriptors. Deeper ones are opened again by "..", on the way back.
const mostHeld = 128

// place is what a directory is for git, which decides what may lie in it.
type place uint8

const (
	inTree      place = iota // the shared directory and what is below
	gitTop                   // a git directory
	inGit                    // below one: nothing that git would take for a repository has to be there
	inObjects                // its objects
	inRefs                   // its references
	inModules                // where the repositories of submodules lie
	inWorktrees              // where a repository keeps what it needs of its linked work trees
	aWorktree                // one of those
	movedAside               // a git directory that was moved aside, and is one still
)

// walk looks at all that is below some directories, without recursion: a command may make directories in each other until
// the disk is full.
type walk struct {
	g     *Guard
	buf   []byte
	until time.Time
	seen  int
	most  int
	top   []entry
	over  bool // something was left out
	shuts bool // and the command may have closed it
	full  bool // nothing more is looked at
	told  []string
	way   []level
	links map[string]bool // links that were there at the start
	// indexes are those that were looked at: a file may have many names.
	indexes map[handle.ID]bool
	euid    uint32
	since   unix.Timespec // what was written later counts as the command's
}

// level is a directory on the way to where the walk is.
type level struct {
	fd   int // -1 for one that is opened again when it is needed
	id   handle.ID
	name string
	at   place
	next []child
	// fresh says that it, or a directory above, was changed since: it may have been moved, with what is in it, whose own times
	// stay. What the command could not move, for it is a mount point, is not.
	fresh bool
	mode  uint32 // that it had, where its owner's rights were given back to look into it; 0 for none
}

type child struct {
	name string
	at   place
}

// checkNested looks for repositories in what is shared that came into being, or that were changed where git outside obeys
// them. top are the names in the shared directory, nil where they have to be listed.
func (g *Guard) checkNested(top []entry) []string { return g.walk(mostDirs, top) }

// walk is that with a bound on the directories that are looked at.
func (g *Guard) walk(most int, top []entry) []string {
	w := &walk{g: g, buf: make([]byte, 8<<10), most: most, top: top, until: time.Now().Add(patience), links: map[string]bool{}, euid: uint32(os.Geteuid())}
	for _, l := range g.links {
		w.links[l.path] = true
	}
	w.since = g.doubtful()
	w.from(g.dir, "", inTree)
	for _, d := range g.watched.dirs {
		if _, in := below(d.Path, g.dir.Path); !in {
			w.from(d, d.Path, gitTop)
		}
	}
	w.finish()
	return w.told
}

// finish tells what was left out, and has the next look here begin where this one did.
func (w *walk) finish() {
	if !w.over && !w.shuts {
		if w.since != w.g.since {
			_ = w.g.keepDoubt(w.since, true) // else it is looked at once more
		}
		return
	}
	err := w.g.keepDoubt(w.since, false)
	if !w.over {
		return // it is told
	}
	text := fmt.Sprintf("not all of %s was looked at for repositories that the command may have made: it is too large (%d directories were looked at): look for what it made before you run git there", Quote(w.g.dir.Path), w.seen)
	if err != nil {
		text += fmt.Sprintf("; nor will the next look begin here, for %s cannot be written: %v", Quote(w.g.ask.Memory), err)
	}
	w.told = append(w.told, text)
}

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// from looks at a directory and all below.
func (w *walk) from(dir *handle.Handle, name string, at place) {
	fd, err := dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		w.told = append(w.told, Quote(dir.Path)+" cannot be looked at: do so before you run git there")
		return
	}
	w.enter(fd, child{name, at}, 0)
	for len(w.way) > 0 {
		l := &w.way[len(w.way)-1]
		if n := len(l.next); n > 0 && !w.full {
			c := l.next[n-1]
			l.next = l.next[:n-1]
			w.open(l, c)
			continue
		}
		w.leave()
	}
}

// open goes into a directory of the last level.
func (w *walk) open(l *level, c child) {
	fd, err := unix.Openat(l.fd, c.name, openDir, 0)
	switch {
	case err == nil:
		w.enter(fd, c, 0)
	case errors.Is(err, unix.EACCES):
		w.closed(l, c)
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO):
	default:
		w.over = true
	}
}

// closed looks into a directory that has been closed to its owner.
func (w *walk) closed(l *level, c child) {
	h, err := (&handle.Handle{FD: l.fd}).Beneath(c.name)
	if err != nil {
		w.over = w.over || !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ELOOP)
		return
	}
	defer h.Close()
	if openUp(h) {
		if fd, err := h.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0); err == nil {
			w.enter(fd, c, h.Mode&0o7777|closedMode)
			return
		}
		_ = unix.Fchmodat(unix.AT_FDCWD, h.Name(), h.Mode&0o7777, 0)
	}
	w.shut(h.FD, w.path(c.name))
}

// closedMode tells a mode of 0 from none.
const closedMode = 1 << 31

// subordinate is where ids begin that belong to no account (SUB_UID_MIN in login.defs(5) is 100000, and no system has
// accounts of its own above 65535): a command with a range of them may give them directories, and take those back later.
const subordinate = 1 << 16

// shut tells of a directory that cannot be looked into, unless it was like that before and the command can do nothing about
// it: it belongs to root, or to another account.
func (w *walk) shut(fd int, path string) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st)
	w.shuts = w.shuts || err != nil || w.during(st.Ctime)
	if err == nil && st.Uid != w.euid && st.Uid < subordinate && !w.during(st.Ctime) {
		return
	}
	w.told = append(w.told, Quote(path)+" cannot be looked at: do so before you run git there")
}

// enter looks at a directory, whose descriptor it takes, and makes it the last level. mode is what it had before it was
// opened up.
func (w *walk) enter(fd int, c child, mode uint32) {
	var st unix.Stat_t
	if w.seen++; w.seen > w.most || w.seen%256 == 0 && time.Now().After(w.until) {
		w.over, w.full = true, true
	}
	if w.full || unix.Fstat(fd, &st) != nil || w.g.ask.Hidden[handle.ID{Dev: st.Dev, Ino: st.Ino}] {
		w.over = w.over || w.full
		giveBack(fd, mode)
		unix.Close(fd)
		return
	}
	l := level{fd: fd, id: handle.ID{Dev: st.Dev, Ino: st.Ino}, name: c.name, at: c.at, mode: mode}
	l.fresh = w.fresh(&l, st.Ctim)
	own := st.Uid == w.euid
	if own && st.Mode&0o500 != 0o500 && unix.Fchmod(fd, st.Mode&0o7777|0o700) == nil {
		l.mode = st.Mode&0o7777 | closedMode
	}
	entries, err := w.top, error(nil)
	if w.top = nil; entries == nil {
		entries, err = listFD(fd, w.buf)
	}
	if err != nil || !own && unreadable(fd, entries) {
		w.shut(fd, w.path(c.name))
	}
	w.look(&l, entries)
	if n := len(w.way); n >= mostHeld && len(l.next) > 0 {
		unix.Close(w.way[n-1].fd)
		w.way[n-1].fd = -1
	}
	w.way = append(w.way, l)
}

// fresh is that of a level that is about to become the last one. Objects are told by their names, and read only.
func (w *walk) fresh(l *level, changed unix.Timespec) bool {
	n := len(w.way)
	if n == 0 || w.g.known[l.id] {
		return false
	}
	up := &w.way[n-1]
	return up.fresh && up.at != inObjects || later(changed, w.since)
}

// unreadable says whether a directory shows names, and not what they are: it can be read and not searched.
func unreadable(fd int, entries []entry) bool {
	var st unix.Stat_t
	return len(entries) > 0 && errors.Is(unix.Fstatat(fd, entries[0].name, &st, unix.AT_SYMLINK_NOFOLLOW), unix.EACCES)
}

// leave goes back to the level above.
func (w *walk) leave() {
	n := len(w.way) - 1
	l := w.way[n]
	w.way = w.way[:n]
	if n > 0 && w.way[n-1].fd < 0 {
		up := &w.way[n-1]
		var st unix.Stat_t
		fd, err := unix.Openat(l.fd, "..", openDir, 0)
		if err == nil && unix.Fstat(fd, &st) == nil && (handle.ID{Dev: st.Dev, Ino: st.Ino}) == up.id {
			up.fd = fd
		} else {
			if err == nil {
				unix.Close(fd)
			}
			w.lost()
		}
	}
	giveBack(l.fd, l.mode)
	unix.Close(l.fd)
}

// lost gives up the levels that cannot be found again, for somebody has moved what they were.
func (w *walk) lost() {
	w.over = true
	for n := len(w.way); n > 0 && w.way[n-1].fd < 0; n-- {
		w.way = w.way[:n-1]
	}
}

// giveBack closes a directory to its owner again.
func giveBack(fd int, mode uint32) {
	if mode != 0 {
		_ = unix.Fchmod(fd, mode&0o7777)
	}
}

// in is where a name of a level lies that is about to become the last one.
func (w *walk) in(l *level, name string) string { return filepath.Join(w.path(l.name), name) }

// path is where a name of the last level lies, for people.
func (w *walk) path(name string) string {
	parts := make([]string, 0, len(w.way)+1)
	for _, l := range w.way {
		parts = append(parts, l.name)
	}
	if name != "" {
		parts = append(parts, name)
	}
	return filepath.Join(parts...)
}

// look decides about the names in a directory, and which of them are gone into.
func (w *walk) look(l *level, entries []entry) {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e entry) bool { return strings.EqualFold(e.name, name) })
	}
	foreign := slices.ContainsFunc(entries, func(e entry) bool { return !ascii(e.name) })
	if foreign || has("HEAD") && (has("commondir") || has("objects") && has("refs")) {
		w.self(l)
	}
	seen := false
	_, bare := w.g.known[l.id]
	git := l.at != inTree || bare
	if l.at == gitTop && slices.ContainsFunc(entries, isUnderWay) {
		w.state(l)
	}
	for _, e := range entries {
		switch dir := e.kind == unix.DT_DIR || e.kind == unix.DT_UNKNOWN; {
		case strings.EqualFold(e.name, ".git"): // some file systems do not tell them apart, and git obeys
			seen = true
			w.dotGit(l, e.name)
		case l.at == inTree && e.name == bundleFile && e.kind != unix.DT_DIR:
			w.bundle(l)
		case git && e.kind != unix.DT_DIR && e.kind != unix.DT_REG && w.door(l, e.name):
		case dir && !(git && w.isFile(l, e)):
			if at := w.below(l, e.name); at != inGit || l.fresh && l.at != inObjects || !w.stale(l.fd, e.name) {
				l.next = append(l.next, child{e.name, at})
			}
		case git:
			w.data(l, e.name)
		}
	}
	if foreign && !seen && hasName(&handle.Handle{FD: l.fd}, ".git") { // by a name that the file system folds into this
		w.dotGit(l, ".git")
	}
}

func ascii(name string) bool {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isFile says whether what a file system tells no kind of is none that is gone into.
func (w *walk) isFile(l *level, e entry) bool {
	var st unix.Stat_t
	return e.kind == unix.DT_UNKNOWN && unix.Fstatat(l.fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR
}

// below is what a directory of a level is for git.
func (w *walk) below(l *level, name string) place {
	top := l.at == gitTop || l.at == movedAside || l.at == inTree && w.g.known[l.id]
	switch {
	case top && name == "modules":
		return inModules
	case top && name == "worktrees":
		return inWorktrees
	case top && name == "objects", l.at == inObjects && (name == "pack" || name == "info"):
		return inObjects
	case top && name == "refs", l.at == inRefs:
		return inRefs
	case l.at == inTree:
		return inTree
	case l.at == inModules:
		return inModules
	case l.at == inWorktrees:
		return aWorktree
	}
	return inGit
}

// stale says whether a directory below a git directory has none in it and was not changed since the start: there are 256
// of loose objects. What was in it then was looked at when it came there.
func (w *walk) stale(fd int, name string) bool {
	var st unix.Statx_t
	err := unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_NLINK|unix.STATX_CTIME, &st)
	return err == nil && uint32(st.Mode)&unix.S_IFMT == unix.S_IFDIR && st.Nlink == 2 && !w.during(st.Ctime)
}

// during says whether a time is one of the command's, or of one before it of which not all was looked at.
func (w *walk) during(t unix.StatxTimestamp) bool {
	return later(unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}, w.since)
}

// born says whether a file came into being since then.
func (w *walk) born(st *unix.Statx_t) bool {
	return st.Mask&unix.STATX_BTIME != 0 && w.during(st.Btime)
}

// anew says whether there is something of a name that was changed since then.
func (w *walk) anew(dir *handle.Handle, name string) bool {
	var st unix.Statx_t
	return unix.Statx(dir.FD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_CTIME, &st) == nil && w.during(st.Ctime)
}
