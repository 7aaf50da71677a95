package worktree

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// Note is a guard written down, for whoever finds that its command has ended when the process that held it has gone: it
// was killed, or ran in the background. A line says what it is about, two numbers, and a path:
//
//	since SEC NSEC            when it began
//	dir, git DEV INO PATH     the shared directory, and git directories outside of it
//	known, seen DEV INO       repositories that were there, guarded and not
//	hidden DEV INO            directories that the command does not see
//	missing, absent, except 0 0 PATH
//	path DEV INO PATH         a directory of $PATH, with numbers where it is shared
//	fixed, repo DEV INO PATH  what was read-only, and repositories that were guarded
//	link 0 LENGTH PATHTARGET  LENGTH is the path's
//	pending DEV INO TEXT      what would run programs in such a git directory
//
// Lines and no structure, for the encoding of one costs a start more than all that is in it.
type Note []string

// Note writes the guard down; nil where there is nothing to compare.
func (g *Guard) Note() (n Note) {
	if g.ask.None {
		return nil
	}
	add := func(kind string, a, b uint64, text string) {
		n = append(n, kind+" "+strconv.FormatUint(a, 10)+" "+strconv.FormatUint(b, 10)+" "+text)
	}
	add("since", uint64(g.since.Sec), uint64(g.since.Nsec), "")
	add("dir", g.dir.Dev, g.dir.Ino, g.dir.Path)
	for _, d := range g.GitDirs {
		add("git", d.Dev, d.Ino, d.Path)
	}
	for id, guarded := range g.known {
		kind := "seen"
		if guarded {
			kind = "known"
		}
		add(kind, id.Dev, id.Ino, "")
	}
	for id := range g.ask.Hidden {
		add("hidden", id.Dev, id.Ino, "")
	}
	for _, m := range g.missing {
		add("missing", 0, 0, filepath.Join(m.dir.Path, m.name))
	}
	for _, a := range g.absent {
		add("absent", 0, 0, filepath.Join(a.base.Path, a.rel))
	}
	for _, f := range g.fixed {
		add("fixed", f.id.Dev, f.id.Ino, filepath.Join(f.base.Path, f.rel))
	}
	for _, d := range g.watched.dirs {
		add("repo", d.Dev, d.Ino, d.Path)
	}
	for p := range g.pending {
		add("pending", p.git.Dev, p.git.Ino, p.text)
	}
	for _, l := range g.links {
		path := filepath.Join(l.dir.Path, l.name)
		add("link", 0, uint64(len(path)), path+l.target)
	}
	for _, path := range g.ask.Except {
		add("except", 0, 0, path)
	}
	for _, dir := range g.ask.Path {
		add("path", g.path[dir].Dev, g.path[dir].Ino, dir)
	}
	return n
}

// line is one of a note, taken apart.
type line struct {
	kind string
	a, b uint64
	text string
}

func (l line) id() handle.ID { return handle.ID{Dev: l.a, Ino: l.b} }

func parseLine(text string) (l line, err error) {
	f := strings.SplitN(text, " ", 4)
	if len(f) < 4 {
		return l, fmt.Errorf("%q is no line of a guard's: %w", text, unix.EINVAL)
	}
	l.kind, l.text = f[0], f[3]
	if l.a, err = strconv.ParseUint(f[1], 10, 64); err == nil {
		l.b, err = strconv.ParseUint(f[2], 10, 64)
	}
	return l, err
}

// Open is the guard of a note, to be checked and closed. A shared directory that is gone, or has another in its place by
// now, is an error: it may be somewhere else.
//
// memory is as in [Ask].
func (n Note) Open(memory string) (*Guard, error) {
	g := &Guard{known: map[handle.ID]bool{}, ask: Ask{Memory: memory}}
	var bases []*handle.Handle
	defer func() {
		for i, h := range bases {
			if i > 0 || g.dir == nil {
				h.Close()
			}
		}
	}()
	var later []line
	for _, text := range n {
		l, err := parseLine(text)
		if err != nil {
			return nil, err
		}
		switch l.kind {
		case "dir", "git":
			h, err := g.openAgain(l.text, l.id())
			if err != nil && l.kind == "dir" {
				return nil, err
			}
			if err == nil {
				bases = append(bases, h)
			}
			if l.kind == "dir" {
				g.dir = h
			}
		default:
			if !g.recall(l) {
				later = append(later, l)
			}
		}
	}
	if g.dir == nil {
		return nil, fmt.Errorf("a guard of no directory: %w", unix.EINVAL)
	}
	// What a command has closed to its owner is opened for as long as the guard is.
	for _, l := range later {
		for _, base := range bases {
			g.openWay(base, l)
		}
	}
	for _, l := range later {
		g.remember(bases, l)
	}
	return g, nil
}

// recall takes in a line that names nothing in the directories; false for another.
func (g *Guard) recall(l line) bool {
	switch l.kind {
	case "since":
		g.since.Sec, g.since.Nsec = int64(l.a), int64(l.b)
	case "known", "seen":
		g.known[l.id()] = l.kind == "known"
	case "hidden":
		if g.ask.Hidden == nil {
			g.ask.Hidden = map[handle.ID]bool{}
		}
		g.ask.Hidden[l.id()] = true
	case "pending":
		if g.pending == nil {
			g.pending = map[program]bool{}
		}
		g.pending[program{l.id(), l.text}] = true
	case "memory": // of old: where we write is not for a record to say
	case "path":
		g.ask.Path = append(g.ask.Path, l.text)
		if g.path == nil {
			g.path = map[string]handle.ID{}
		}
		g.path[l.text] = l.id()
	case "except":
		g.ask.Except = append(g.ask.Except, l.text)
	default:
		return false
	}
	return true
}

// openWay gives the directories on the way to what a line names the rights of their owner.
func (g *Guard) openWay(base *handle.Handle, l line) {
	path := l.text
	if l.kind == "link" && l.b <= uint64(len(path)) {
		path = path[:l.b]
	}
	rel, in := below(path, base.Path)
	if !in {
		return
	}
	at := base
	for part := range strings.SplitSeq(rel, "/") {
		var st unix.Stat_t
		if unix.Fstat(at.FD, &st) == nil && openUp(at) {
			if own, err := at.Dup(); err == nil {
				g.opened = append(g.opened, opened{own, st.Mode & 0o7777})
			}
		}
		next, err := at.Beneath(part)
		if at != base {
			at.Close()
		}
		if err != nil {
			return
		}
		at = next
	}
	if at != base {
		at.Close()
	}
}

// openAgain finds a directory by its name, if it is still the one.
func (g *Guard) openAgain(path string, id handle.ID) (*handle.Handle, error) {
	h, err := handle.Open(path)
	if err != nil {
		return nil, err
	}
	var st unix.Statx_t
	if h.ID != id || unix.Statx(h.FD, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) != nil || g.born(&st) {
		h.Close()
		return nil, fmt.Errorf("%s is another directory by now: %w", path, unix.ESTALE)
	}
	return h, nil
}

// remember takes in what a line says of a name in one of the directories.
func (g *Guard) remember(bases []*handle.Handle, l line) {
	path, target := l.text, ""
	if l.kind == "link" && l.b <= uint64(len(path)) {
		path, target = path[:l.b], path[l.b:]
	}
	for _, base := range bases {
		rel, in := below(path, base.Path)
		if l.kind == "repo" && in {
			if h, err := base.Beneath(rel); err == nil && h.ID == (handle.ID{Dev: l.a, Ino: l.b}) {
				g.watched.dirs = append(g.watched.dirs, g.hold(h))
			} else if err == nil {
				h.Close()
			}
			return
		}
		if !in || rel == "." {
			continue
		}
		if l.kind == "absent" {
			g.absent = append(g.absent, absent{g.base(base), rel, g.shown(base, rel)})
			return
		}
		if l.kind == "fixed" {
			g.fixed = append(g.fixed, fixed{g.base(base), rel, g.shown(base, rel), handle.ID{Dev: l.a, Ino: l.b}, nil})
			return
		}
		dir, name, ok := g.parent(base, rel)
		switch m := (missing{dir, name, g.shown(base, rel)}); {
		case ok && l.kind == "missing":
			g.missing = append(g.missing, m)
		case ok && l.kind == "link":
			g.links = append(g.links, link{m, target})
		}
		return
	}
}
