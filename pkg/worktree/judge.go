package worktree

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

const makesRepository = "a repository whose configuration or hooks run programs"

// dotGit decides about .git, a directory or a file, and has the walk go on in it, wherever it is then.
func (w *walk) dotGit(l *level, name string) {
	path := w.in(l, name)
	var st unix.Statx_t
	if unix.Statx(l.fd, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) != nil {
		return
	}
	m := missing{&handle.Handle{FD: l.fd}, name, path}
	at := gitTop
	if why := w.against(l, &st, m); why != "" && !w.excepted(path) {
		var text string
		text, m.name = move(m, why)
		w.told = append(w.told, text)
		if at = movedAside; m.name == "" {
			m.name = name // it is told, and stays
		}
	}
	if uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	if git, err := m.dir.Beneath(m.name); err == nil {
		if at == gitTop && !w.g.known[git.ID] && !mayBeGitDir(git) {
			at = inTree // somebody else's directory by that name, perhaps
		}
		git.Close()
	}
	if !w.g.known[id(&st)] && at == gitTop {
		w.deeper(l, name)
	}
	l.next = append(l.next, child{m.name, at})
}

// against is what speaks against a .git, "" for nothing.
func (w *walk) against(l *level, st *unix.Statx_t, m missing) string {
	guarded, known := w.g.known[id(st)] // or seen at the start, and not guarded: there were too many
	known = known && !w.born(st)
	switch {
	case guarded && known:
		return ""
	case l.at != inTree && !known:
		return "lies in a git directory, where git has none, and git outside would obey it"
	case !known && w.ownLink(m):
		return ""
	case !known && w.g.born(st):
		return "was not there before, and git outside would obey it"
	case !w.during(st.Ctime) && !w.touched(m.dir, m.name):
		return ""
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR:
		return "is new or was changed, and leads git outside elsewhere"
	}
	return m.changed()
}

// changed says what is wrong with a git directory that was there and has been changed.
func (m missing) changed() string {
	git, err := m.dir.Beneath(m.name)
	if err != nil {
		return "was changed, and cannot be looked at"
	}
	defer git.Close()
	if !harmless(git) {
		return "was changed, and its configuration or hooks run programs"
	}
	return ""
}

// ownLink says whether a .git is the file by which a linked work tree finds its repository, one that was guarded, and by
// which that finds it: as git makes them.
func (w *walk) ownLink(m missing) bool {
	data, err := readBelow(m.dir, m.name)
	path, ok := strings.CutPrefix(strings.TrimSuffix(string(data), "\n"), "gitdir: ")
	rel, in := below(path, w.g.now())
	if err != nil || !ok || !in || filepath.Clean(path) != path || filepath.Base(filepath.Dir(path)) != "worktrees" {
		return false
	}
	repository, err := w.g.dir.Beneath(filepath.Dir(filepath.Dir(rel)))
	if err != nil {
		return false
	}
	defer repository.Close()
	own, err := repository.Beneath(filepath.Join("worktrees", filepath.Base(path)))
	if err != nil {
		return false
	}
	defer own.Close()
	back, err := readBelow(own, "gitdir")
	return err == nil && w.g.known[repository.ID] && w.ownWorktree(own) && string(back) == filepath.Join(w.g.now(), m.path)+"\n"
}

// touched says whether something in a git directory that git outside obeys was changed since the start.
func (w *walk) touched(parent *handle.Handle, name string) bool {
	for _, in := range []string{".", "HEAD", "config", "hooks", "commondir", "config.worktree", "modules", "objects", "refs"} {
		if w.anew(parent, filepath.Join(name, in)) {
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
		if unix.Statx(hooks.FD, e.name, 0, unix.STATX_CTIME, &st) != nil || w.during(st.Ctime) {
			return true
		}
	}
	return err != nil
}

// self decides about a directory with a HEAD, which git may take for a repository when somebody stands in it.
func (w *walk) self(l *level) {
	dir := &handle.Handle{FD: l.fd}
	if l.at == gitTop || !isGitDir(dir) {
		return
	}
	var st unix.Statx_t
	if unix.Statx(l.fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME|unix.STATX_CTIME, &st) != nil {
		return
	}
	_, known := w.g.known[id(&st)]
	if known = known && !w.born(&st); known || w.excepted(w.in(l, "")) {
		if l.at != inTree {
			l.at = gitTop
		}
		return
	}
	switch l.at {
	case inTree:
		if !w.touched(dir, ".") || harmless(dir) {
			l.at = gitTop // for what is in it
			return
		}
	case inModules:
		if !w.born(&st) && !w.touched(dir, ".") || harmless(dir) {
			l.at = gitTop
			return
		}
		w.module(l)
	case aWorktree:
		if w.ownWorktree(dir) {
			w.backLink(l, "gitdir")
			l.at = gitTop
			return
		}
	case movedAside:
		if harmless(dir) {
			return
		}
	}
	path := w.in(l, "HEAD")
	w.told = append(w.told, moved(missing{dir, "HEAD", path}, "makes "+Quote(filepath.Dir(path))+" "+makesRepository))
	if l.at != inTree {
		l.at = inGit
	}
}

// module moves aside a submodule's repository as a whole, for git would obey it by its name.
func (w *walk) module(l *level) {
	n := len(w.way)
	if n == 0 {
		return
	}
	text, name := move(missing{&handle.Handle{FD: w.way[n-1].fd}, l.name, w.in(l, "")}, "was not there before, and its configuration or hooks run programs")
	if w.told = append(w.told, text); name != "" {
		l.name = name
	}
}

// ownWorktree says whether the directory of a linked work tree, which nobody knew, leads to the repository that it lies in,
// and to nothing else.
func (w *walk) ownWorktree(dir *handle.Handle) bool {
	data, err := readBelow(dir, "commondir")
	return err == nil && strings.TrimSuffix(string(data), "\n") == "../.." && !hasName(dir, "config.worktree")
}

// door decides about a symbolic link or a FIFO in a git directory, where git makes none, and says whether it is one. Git
// outside would write and delete what a link leads to: the message of a commit, a log, what is left of a linked work tree;
// or find a submodule's repository by it. Below "modules" one counts whatever its time.
func (w *walk) door(l *level, name string) bool {
	var st unix.Statx_t
	if unix.Statx(l.fd, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_CTIME, &st) != nil {
		return false
	}
	kind := uint32(st.Mode) & unix.S_IFMT
	if kind != unix.S_IFLNK && kind != unix.S_IFIFO {
		return false
	}
	modules, top := w.below(l, name) == inModules, l.at == gitTop || l.at == movedAside
	target, _ := readlink(l.fd, name)
	switch {
	case w.links[w.in(l, name)] || !l.fresh && !w.during(st.Ctime) && !modules:
	case (top || l.at == inRefs) && isRef(target): // core.preferSymlinkRefs
	case top && strings.Contains(name, aside): // git reads no such name there
	case modules:
		w.aside(l, name, "was not there before, and leads git outside elsewhere")
	case kind == unix.S_IFIFO:
		w.takeAway(l, name, "was not there before, is a FIFO, and would have git outside wait for ever")
	default:
		w.takeAway(l, name, "was not there before, and would lead git outside elsewhere: it was a link to "+Quote(target))
	}
	return true
}

// state decides about what is under way in a git directory: in one that was known, what was not at the start; in another,
// what was written since.
func (w *walk) state(l *level) {
	git := &handle.Handle{ID: l.id, FD: l.fd}
	shown := w.in(l, "")
	if slices.ContainsFunc(w.g.fixed, func(f fixed) bool { return f.path == shown }) {
		return // the command could not write there
	}
	_, known := w.g.known[l.id]
	moved := map[string]bool{}
	for _, p := range pendings(git) {
		path := w.in(l, p.file)
		if moved[p.file] || w.excepted(path) || !p.bad && (known && w.g.pending[p.in(git)] || !known && !w.anew(git, p.file)) {
			continue
		}
		moved[p.file] = true
		w.told = append(w.told, p.move(git, path))
	}
}

// excepted says whether a path, as people know it, is one that may change.
func (w *walk) excepted(path string) bool {
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.g.dir.Path, path)
	}
	return w.g.excepted(path)
}
