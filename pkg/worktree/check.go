package worktree

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// aside is put behind the name of what is moved.
const aside = ".moved-by-sandbox"

// Bounds of the look at the end.
const (
	mostDirs = 200_000
	patience = 3 * time.Second
)

// Close lets go of what the guard holds open.
func (g *Guard) Close() {
	if g == nil {
		return
	}
	g.watched.close()
	defer g.dir.Close()
	for _, l := range g.links {
		g.missing = append(g.missing, l.missing)
	}
	for _, m := range g.missing {
		if m.dir != g.dir {
			m.dir.Close()
		}
	}
}

// Check looks, when the command has ended, at what is there now and was not at the start, moves it aside, and returns a
// line about each. Nothing of it is believed: names are looked up in directories that were opened at the start.
func (g *Guard) Check() (told []string) {
	if g == nil || g.ask.None {
		return nil
	}
	names := map[string]bool{}
	entries, err := list(g.dir, make([]byte, 4<<10))
	for _, e := range entries {
		names[e.name] = true
	}
	for _, m := range g.missing {
		if err == nil && m.dir == g.dir && !names[m.name] {
			continue
		}
		var st unix.Stat_t
		if unix.Fstatat(m.dir.FD, m.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			told = append(told, move(m, "was not there before, and acts for you outside"))
		}
	}
	for _, l := range g.links {
		var buf [unix.PathMax]byte
		n, err := unix.Readlinkat(l.dir.FD, l.name, buf[:])
		if errors.Is(err, unix.ENOENT) || err == nil && string(buf[:n]) == l.target {
			continue
		}
		told = append(told, move(l.missing, "was a link to "+l.target+" before"))
	}
	told = append(told, g.checkNested()...)
	return append(told, g.watched.tell(g)...)
}

// move renames a file out of the way, within its directory.
func move(m missing, why string) string {
	for n := 0; ; n++ {
		name := m.name + aside
		if n > 0 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		err := unix.Renameat2(m.dir.FD, m.name, m.dir.FD, name, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return fmt.Sprintf("%s %s: it is %s now; --no-protect=%s leaves it", m.path, why, filepath.Join(filepath.Dir(m.path), name), m.path)
		case errors.Is(err, unix.EEXIST) && n < 1000:
			continue
		}
		return fmt.Sprintf("%s %s, and cannot be moved aside: %v: look at it before you go on", m.path, why, err)
	}
}

// checkNested looks for repositories below the shared directory that came into being, or that were changed where git
// outside obeys them.
func (g *Guard) checkNested() (told []string) {
	w := &walk{g: g, buf: make([]byte, 8<<10), until: time.Now().Add(patience)}
	fd, err := g.dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	w.dir(fd, "", 0)
	if w.over {
		w.told = append(w.told, fmt.Sprintf("not all of %s was looked at for repositories that the command may have made: it has more than %d directories", g.dir.Path, w.seen))
	}
	return w.told
}

type walk struct {
	g     *Guard
	buf   []byte
	until time.Time
	seen  int
	over  bool
	told  []string
}

// dir looks at one directory, whose descriptor it closes, and at those below.
func (w *walk) dir(fd int, rel string, level int) {
	defer unix.Close(fd)
	if w.seen++; w.over || w.seen > mostDirs || level > 200 || w.seen%256 == 0 && time.Now().After(w.until) {
		w.over = true
		return
	}
	entries, err := listFD(fd, w.buf)
	if err != nil && len(entries) == 0 {
		return
	}
	head, objects, refs := false, false, false
	for _, e := range entries {
		switch e.name {
		case ".git":
			w.repository(fd, rel, ".git")
			continue
		case "HEAD":
			head = true
		case "objects":
			objects = true
		case "refs":
			refs = true
		}
		if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN {
			continue
		}
		below, err := unix.Openat(fd, e.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			w.dir(below, filepath.Join(rel, e.name), level+1)
		}
	}
	if head && objects && refs {
		w.bare(fd, rel)
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
	id := handle.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
	if w.g.known[id] {
		return
	}
	_, known := w.g.known[id] // seen at the start, and not guarded: there were too many
	parent := &handle.Handle{FD: fd}
	m := missing{parent, name, path}
	switch {
	case !known && st.Mask&unix.STATX_BTIME != 0 && !before(st.Btime, w.g.since):
		w.told = append(w.told, move(m, "was not there before, and git outside would obey it"))
	case before(st.Ctime, w.g.since) && !w.touched(parent, name):
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
		if unix.Statx(parent.FD, filepath.Join(name, in), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_CTIME, &st) == nil && !before(st.Ctime, w.g.since) {
			return true
		}
	}
	return false
}

// bare decides about a directory that git takes for a repository without a work tree when somebody stands in it.
func (w *walk) bare(fd int, rel string) {
	var st unix.Statx_t
	if rel == "" || unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO, &st) != nil {
		return
	}
	if w.g.known[handle.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}] || w.g.excepted(filepath.Join(w.g.dir.Path, rel)) {
		return
	}
	dir := &handle.Handle{FD: fd}
	if !w.touched(dir, "") && !w.touched(dir, "HEAD") || harmless(dir) {
		return
	}
	w.told = append(w.told, move(missing{dir, "HEAD", filepath.Join(rel, "HEAD")}, "makes "+rel+" a repository whose configuration or hooks run programs"))
}

func before(t unix.StatxTimestamp, than unix.Timespec) bool {
	return t.Sec < than.Sec || t.Sec == than.Sec && int64(t.Nsec) < int64(than.Nsec)
}
