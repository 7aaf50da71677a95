package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// checkNested looks for repositories below the shared directory that came into being, or that were changed where git
// outside obeys them.
func (g *Guard) checkNested() (told []string) {
	w := &walk{g: g, buf: make([]byte, 8<<10), until: time.Now().Add(patience)}
	fd, err := g.dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return []string{Quote(g.dir.Path) + " cannot be looked at: do so before you run git there"}
	}
	w.dir(fd, "", 0)
	if w.over {
		w.told = append(w.told, fmt.Sprintf("not all of %s was looked at for repositories that the command may have made: it is too large, or too deep (%d directories were)", Quote(g.dir.Path), w.seen))
	}
	return w.told
}

type walk struct {
	g     *Guard
	buf   []byte
	until time.Time
	seen  int
	over  bool // something was left out
	full  bool // nothing more is looked at
	told  []string
}

// dir looks at one directory, whose descriptor it closes, and at those below.
func (w *walk) dir(fd int, rel string, level int) {
	defer unix.Close(fd)
	if level > 200 {
		w.over = true // and go on elsewhere
		return
	}
	if w.seen++; w.full || w.seen > mostDirs || w.seen%256 == 0 && time.Now().After(w.until) {
		w.over, w.full = true, true
		return
	}
	if len(w.g.ask.Hidden) > 0 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || w.g.ask.Hidden[handle.ID{Dev: st.Dev, Ino: st.Ino}] {
			return
		}
	}
	entries, err := listFD(fd, w.buf)
	if err != nil && len(entries) == 0 {
		return
	}
	head := false
	for _, e := range entries {
		if strings.EqualFold(e.name, ".git") { // some file systems do not tell them apart, and git obeys
			w.repository(fd, rel, e.name)
			continue
		}
		head = head || strings.EqualFold(e.name, "HEAD")
		if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN {
			continue
		}
		below, err := unix.Openat(fd, e.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			w.dir(below, filepath.Join(rel, e.name), level+1)
		case errors.Is(err, unix.EACCES):
			w.closed(fd, rel, e.name, level)
		}
	}
	if head && isGitDir(&handle.Handle{FD: fd}) {
		w.bare(fd, rel)
	}
}

// closed looks into a directory that has been closed to its owner, and closes it again.
func (w *walk) closed(fd int, rel, name string, level int) {
	at := filepath.Join(rel, name)
	h, err := (&handle.Handle{FD: fd, Path: rel}).Beneath(name)
	if err != nil {
		return
	}
	defer h.Close()
	if openUp(h) {
		defer func() { _ = unix.Fchmodat(unix.AT_FDCWD, h.Name(), h.Mode&0o7777, 0) }()
		if in, err := h.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0); err == nil {
			w.dir(in, at, level+1)
			return
		}
	}
	if h.UID == uint32(os.Geteuid()) {
		w.told = append(w.told, Quote(at)+" cannot be looked at: do so before you run git there")
	}
}

// repository decides about .git, a directory or a file, in the directory at fd.
func (w *walk) repository(fd int, rel, name string) {
	path := filepath.Join(rel, name)
	if w.g.excepted(filepath.Join(w.g.dir.Path, path)) {
		return
	}
	var st unix.Statx_t
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	if unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, mask, &st) != nil {
		return
	}
	guarded, known := w.g.known[id(&st)] // or seen at the start, and not guarded: there were too many
	known = known && !w.g.born(&st)
	if guarded && known {
		return
	}
	parent := &handle.Handle{FD: fd}
	m := missing{parent, name, path}
	switch {
	case !known && w.g.born(&st):
		w.told = append(w.told, move(m, "was not there before, and git outside would obey it"))
	case !w.g.during(st.Ctime) && !w.touched(parent, name):
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR:
		w.told = append(w.told, move(m, "is new or was changed, and leads git outside elsewhere"))
	default:
		git, err := parent.Beneath(name)
		if err != nil {
			return
		}
		defer git.Close()
		if !harmless(git) {
			w.told = append(w.told, move(m, "was changed, and its configuration or hooks run programs"))
		}
	}
}

// touched says whether something in a git directory that git outside obeys was changed since the start.
func (w *walk) touched(parent *handle.Handle, name string) bool {
	for _, in := range []string{"", "config", "hooks", "commondir", "config.worktree", "modules"} {
		var st unix.Statx_t
		if unix.Statx(parent.FD, filepath.Join(name, in), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_CTIME, &st) == nil && w.g.during(st.Ctime) {
			return true
		}
	}
	// A hook that is written in its place leaves the directory's time.
	hooks, err := parent.Beneath(filepath.Join(name, "hooks"))
	if err != nil {
		return !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR)
	}
	defer hooks.Close()
	entries, err := list(hooks, make([]byte, 4<<10))
	for _, e := range entries {
		var st unix.Statx_t
		if unix.Statx(hooks.FD, e.name, 0, unix.STATX_CTIME, &st) != nil || w.g.during(st.Ctime) {
			return true
		}
	}
	return err != nil
}

// bare decides about a directory that git takes for a repository without a work tree when somebody stands in it.
func (w *walk) bare(fd int, rel string) {
	var st unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st) != nil {
		return
	}
	if w.g.known[id(&st)] && !w.g.born(&st) || w.g.excepted(filepath.Join(w.g.dir.Path, rel)) {
		return
	}
	dir := &handle.Handle{FD: fd}
	if !w.touched(dir, "") && !w.touched(dir, "HEAD") || harmless(dir) {
		return
	}
	w.told = append(w.told, move(missing{dir, "HEAD", filepath.Join(rel, "HEAD")}, "makes "+Quote(filepath.Join(".", rel))+" a repository whose configuration or hooks run programs"))
}
