package worktree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

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
	closeAgain(g.opened)
	for _, o := range g.opened {
		o.dir.Close()
	}
	g.opened = nil
	for _, l := range g.links {
		g.missing = append(g.missing, l.missing)
	}
	for _, h := range g.bases {
		h.Close()
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
	defer g.openAll()()
	names := map[string]bool{}
	entries, err := list(g.dir, make([]byte, 4<<10))
	for _, e := range entries {
		names[e.name] = true
	}
	for _, m := range g.missing {
		if err == nil && m.dir == g.dir && !names[m.name] {
			continue
		}
		switch _, err := g.stat(m.dir, m.name); {
		case errors.Is(err, unix.EACCES):
			if m.dir.UID == uint32(os.Geteuid()) { // else the command could not look either
				told = append(told, quote(m.path)+" cannot be looked at: do so before you go on")
			}
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			told = append(told, move(m, "was not there before, and acts for you outside"))
		}
	}
	for _, l := range g.links {
		target, err := readlink(l.dir.FD, l.name)
		if errors.Is(err, unix.ENOENT) || err == nil && target == l.target {
			continue
		}
		told = append(told, move(l.missing, "was a link to "+quote(l.target)+" before"))
	}
	told = append(told, g.checkFixed()...)
	told = append(told, g.checkGitDirs()...)
	told = append(told, g.checkNested()...)
	return append(told, g.watched.tell(g)...)
}

// checkFixed looks at what was read-only and was replaced by somebody outside, after which the command could write it.
func (g *Guard) checkFixed() (told []string) {
	for _, f := range g.fixed {
		id, err := g.stat(f.base, f.rel)
		if errors.Is(err, unix.ENOENT) || err == nil && id == f.id {
			continue
		}
		if errors.Is(err, unix.EACCES) {
			told = append(told, quote(f.path)+" cannot be looked at: do so before you go on")
			continue
		}
		if f.keys == nil {
			told = append(told, fmt.Sprintf("%s was replaced while the command ran, by something outside or by the command: look at it before you go on", quote(f.path)))
			continue
		}
		if f.added() {
			if dir, name, ok := g.parent(f.base, f.rel); ok {
				told = append(told, move(missing{dir, name, f.path}, "was replaced while the command ran, and says more that runs programs"))
			}
		}
	}
	return told
}

// stat is the file of a name, a link too; the zero ID for one that came into being since the start, whatever its number: a
// file system gives out the number of a file that is gone again. Another command may close directories and open them
// again: it is asked often enough to see one of them open.
func (g *Guard) stat(dir *handle.Handle, name string) (handle.ID, error) {
	for try := 0; ; try++ {
		var st unix.Statx_t
		err := unix.Statx(dir.FD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
		switch {
		case errors.Is(err, unix.EACCES) && try < 100:
			time.Sleep(10 * time.Microsecond)
		case err != nil || g.born(&st):
			return handle.ID{}, err
		default:
			return id(&st), nil
		}
	}
}

func id(st *unix.Statx_t) handle.ID {
	return handle.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
}

// born says whether a file came into being since the start, where the file system says when (all usual ones but NFS).
func (g *Guard) born(st *unix.Statx_t) bool {
	return st.Mask&unix.STATX_BTIME != 0 && g.during(st.Btime)
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

// checkGitDirs looks into the repositories that were there: for those of submodules that were not, and for a rebase that
// would run programs.
func (g *Guard) checkGitDirs() (told []string) {
	for _, d := range g.watched.dirs {
		for line := range programs(d) {
			if !g.todos[line] {
				if dir, name, ok := g.parent(d, todo); ok {
					told = append(told, move(missing{dir, name, g.shown(d, todo)}, "would run programs that it would not before"))
				}
				break
			}
		}
		w := &walk{g: g, buf: make([]byte, 4<<10), until: time.Now().Add(patience)}
		if modules, err := d.Beneath("modules"); err == nil {
			w.modules(modules, g.shown(d, "modules"), 0)
			modules.Close()
		}
		told = append(told, w.told...)
	}
	return told
}

// modules moves aside what git would take for a submodule's repository, and was not there or was changed.
func (w *walk) modules(dir *handle.Handle, shown string, level int) {
	entries, err := list(dir, w.buf)
	if err != nil || level > 8 {
		w.told = append(w.told, quote(shown)+" cannot be looked at: do so before you use submodules")
		return
	}
	for _, e := range entries {
		if w.seen++; w.seen > 4096 {
			return
		}
		at := filepath.Join(shown, e.name)
		h, err := dir.Beneath(e.name)
		if err != nil || !h.IsDir() || w.g.known[h.ID] || strings.HasSuffix(e.name, aside) {
			if h != nil {
				h.Close()
			}
			continue
		}
		switch {
		case !isGitDir(h):
			w.modules(h, at, level+1)
		case !harmless(h):
			w.told = append(w.told, move(missing{dir, e.name, at}, "was not there before, and its configuration or hooks run programs"))
		}
		h.Close()
	}
}

// move renames a file out of the way, within its directory.
func move(m missing, why string) string {
	opened := false
	for n := 0; ; n++ {
		name := m.name + aside
		switch {
		case n > 2: // somebody makes the names beforehand
			name = fmt.Sprintf("%s-%x", name, rand.Uint64())
		case n > 0:
			name = fmt.Sprintf("%s-%d", name, n)
		}
		err := unix.Renameat2(m.dir.FD, m.name, m.dir.FD, name, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return fmt.Sprintf("%s %s: it is %s now; --no-protect=%s leaves it", quote(m.path), why, quote(filepath.Join(filepath.Dir(m.path), name)), quote(m.path))
		case errors.Is(err, unix.EEXIST) && n < 100:
			continue
		case errors.Is(err, unix.EACCES) && !opened && openUp(m.dir):
			opened = true
			continue
		}
		return fmt.Sprintf("%s %s, and cannot be moved aside: %v: look at it before you go on", quote(m.path), why, err)
	}
}

// openUp gives a directory of ours the rights of its owner, which a command has taken from it to hide what is there.
func openUp(dir *handle.Handle) bool {
	var st unix.Stat_t
	if unix.Fstat(dir.FD, &st) != nil || st.Mode&0o700 == 0o700 {
		return false
	}
	return unix.Fchmodat(unix.AT_FDCWD, dir.Name(), st.Mode&0o7777|0o700, 0) == nil // fchmod(2) refuses O_PATH
}

// quote is a path as a shell takes it: it is in a line that somebody may paste, and somebody else has chosen it.
func quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./-+,:@%=", r)
	}
	if strings.TrimFunc(path, plain) == "" {
		return path
	}
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, path)
	return "'" + strings.ReplaceAll(clean, "'", `'\''`) + "'"
}

// checkNested looks for repositories below the shared directory that came into being, or that were changed where git
// outside obeys them.
func (g *Guard) checkNested() (told []string) {
	w := &walk{g: g, buf: make([]byte, 8<<10), until: time.Now().Add(patience)}
	fd, err := g.dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return []string{quote(g.dir.Path) + " cannot be looked at: do so before you run git there"}
	}
	w.dir(fd, "", 0)
	if w.over {
		w.told = append(w.told, fmt.Sprintf("not all of %s was looked at for repositories that the command may have made: it is too large, or too deep (%d directories were)", quote(g.dir.Path), w.seen))
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
		w.told = append(w.told, quote(at)+" cannot be looked at: do so before you run git there")
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
	w.told = append(w.told, move(missing{dir, "HEAD", filepath.Join(rel, "HEAD")}, "makes "+quote(filepath.Join(".", rel))+" a repository whose configuration or hooks run programs"))
}

// during says whether a time is one of the command's, see [Guard.Pass].
func (g *Guard) during(t unix.StatxTimestamp) bool {
	return later(unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}, g.since)
}
