package worktree

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// Guard is what of one shared directory must not change, and what must not come into being.
type Guard struct {
	dir   *handle.Handle // the shared directory
	ask   Ask
	since unix.Timespec // when it looked

	InGit    string   // the git directory, or other place that git obeys, that dir is a part of; "" for none
	Moving   string   // this program, which could not be protected
	Closed   string   // what is closed to the caller, who owns it: a command may open it and write what is in it
	Whole    int      // clones of which all is read-only, for they are many
	Linked   []string // what is read-only and has other names
	Dotfiles []string // what of those is read-only
	AllDots  bool     // the shared directory is such a one, or lies in one
	Tree     *Dir     // the whole work tree that dir is a part of; nil where there is none, or dir is all of it
	GitDirs  []*Dir   // git directories that lie outside of dir, with what is protected in them
	Inside   []Part   // of dir
	missing  []missing
	absent   []absent
	fixed    []fixed
	bases    map[named]*handle.Handle
	links    []link
	known    map[handle.ID]bool // repositories that were there at the start
	half     map[handle.ID]bool // what was guarded and was none
	watched  watch
	followed int              // links that one path went through
	tops     []string         // work trees of what is guarded
	isNow    string           // see now
	pending  map[program]bool // what would run programs at the start, of what is under way
	wantsEnv []string
	opened   []opened             // of a guard that was written down
	path     map[string]handle.ID // the directories of $PATH that are shared
}

// Dir is a directory besides the shared one that git needs, and what is protected in it.
type Dir struct {
	*handle.Handle
	Parts []Part
}

// Part is a file or directory that becomes a mount point of its own: read-only, or as it is so that nobody renames it.
type Part struct {
	*handle.Handle
	Rel      string // its path below the directory it was found in
	ReadOnly bool
}

// Ask is what the caller has said, and what is known of this start.
type Ask struct {
	Protect []string // paths besides the usual ones, absolute
	Pinned  []string // paths over which something is mounted by name at each start, absolute: what they lie in keeps its name
	Except  []string // absolute paths that are not protected
	None    bool     // nothing is
	Binary  *handle.Handle
	Own     []OwnConfig // the caller's own configuration, in git's order
	Home    string      // what ~ stands for
	Memory  string      // the file of what was not looked at, see Doubts; "" for none
	Ours    []string    // files that the next start reads or runs, or is to show whole
	Path    []string    // the directories of $PATH, absolute
	// Dotfiles are what links lead to that are the caller's own, and that programs outside obey; absolute.
	Dotfiles []string
	Hidden   map[handle.ID]bool // directories that the command does not get to see, wherever they lie
	// May says whether a directory above the shared one may be shown to the command.
	May func(*handle.Handle) bool
}

// missing is a name that was not there, in a directory that is kept open.
type missing struct {
	dir  *handle.Handle
	name string
	path string // below the shared directory or absolute, for people
}

// fixed is what is read-only for the command. Somebody outside may replace it meanwhile, by a rename as editors and git do
// it, and then it is read-only no more: the mount goes with the file that it was on (mount_namespaces(7)).
type fixed struct {
	base *handle.Handle
	rel  string
	path string
	id   handle.ID
	keys map[string]bool // of a git configuration: what it said that is not plain
}

// named is a directory under one of its names.
type named struct {
	id   handle.ID
	path string
}

// link is a symbolic link in a place that cannot be mounted on.
type link struct {
	missing
	target string
}

// Find looks at a directory that is going to be shared. It changes nothing. What cannot be read is protected as it is; but a
// command that runs already may close directories and open them again as often as it likes, to keep them from being looked
// at. So nothing that belongs to the caller may be closed.
func Find(dir *handle.Handle, ask Ask) *Guard {
	for try := 0; ; try++ {
		g := find(dir, ask)
		if g.Closed == "" || try == 20 {
			return g
		}
		g.Drop()
		time.Sleep(time.Millisecond)
	}
}

func find(dir *handle.Handle, ask Ask) *Guard {
	g := &Guard{dir: dir, ask: ask, known: map[handle.ID]bool{}, half: map[handle.ID]bool{}}
	if own, err := dir.Dup(); err == nil {
		g.dir, dir = own, own
	}
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &g.since)
	names, err := g.list(dir)
	has := map[string]uint8{}
	for _, e := range names {
		has[e.name] = e.kind
	}
	if err != nil { // it can be entered, and not be listed
		var st unix.Stat_t
		for _, name := range slices.Concat([]string{".git", ".hg", "HEAD", "objects", "refs", "commondir", bundleFile}, usual, installed) {
			if unix.Fstatat(dir.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
				has[name] = unix.DT_UNKNOWN
			}
		}
	}
	g.findUsual(has)
	g.findGit(has)
	g.findNested(names)
	g.followOwn()
	for _, path := range append([]string{ask.Memory}, ask.Ours...) {
		if path != "" {
			g.protectPath(path)
		}
	}
	for _, path := range ask.Dotfiles {
		g.protectDotfile(path)
	}
	for _, path := range ask.Protect {
		if rel, ok := below(path, dir.Path); ok && rel != "." {
			g.protect(dir, &g.Inside, rel)
		}
	}
	for _, path := range ask.Pinned {
		if a, rel, ok := g.where(path); ok {
			g.pinParents(a.dir, a.to, rel)
		}
	}
	g.findBinary()
	g.notePath()
	return g
}

// Env are variables that keep tools from failing on what is read-only, where the caller has not set them.
func (g *Guard) Env() []string { return g.wantsEnv }

// protect makes one path below dir read-only and every directory on the way to it a mount point.
func (g *Guard) protect(dir *handle.Handle, to *[]Part, rel string) {
	rel = filepath.Clean(rel)
	if g.excepted(filepath.Join(dir.Path, rel)) || covered(*to, rel, true) {
		return
	}
	h, err := g.beneath(dir, rel)
	switch {
	case errors.Is(err, unix.ENOENT):
		g.missFirst(dir, to, rel)
		return
	case errors.Is(err, unix.ELOOP):
		g.protectLink(dir, to, rel)
		return
	case err != nil:
		return
	}
	g.fix(dir, to, rel, h)
}

// fix is protect for what has been opened there.
func (g *Guard) fix(dir *handle.Handle, to *[]Part, rel string, h *handle.Handle) {
	if k := h.Kind(); k != unix.S_IFDIR && k != unix.S_IFREG || g.excepted(filepath.Join(dir.Path, rel)) || covered(*to, rel, true) {
		h.Close()
		return
	}
	g.pinParents(dir, to, rel)
	if h.Names > 1 && !h.IsDir() {
		g.Linked = append(g.Linked, g.shown(dir, rel))
	}
	g.fixed = append(g.fixed, fixed{g.base(dir), rel, g.shown(dir, rel), h.ID, nil})
	add(to, Part{h, rel, true})
}

// base is a directory as it can be looked at when the command has ended.
func (g *Guard) base(dir *handle.Handle) *handle.Handle {
	if dir == g.dir {
		return dir
	}
	if own := g.bases[named{dir.ID, dir.Path}]; own != nil {
		return own
	}
	own, err := dir.Dup()
	if err != nil {
		return g.dir // and nothing is started: [proc.Refused]
	}
	return g.hold(own)
}

// hold keeps a directory open, once under each of its names, until the guard is closed.
func (g *Guard) hold(dir *handle.Handle) *handle.Handle {
	at := named{dir.ID, dir.Path}
	if own := g.bases[at]; own != nil {
		dir.Close()
		return own
	}
	if g.bases == nil {
		g.bases = map[named]*handle.Handle{}
	}
	g.bases[at] = dir
	return dir
}

// missFirst remembers the first directory that is missing on the way to a path, and makes mount points of those before it.
func (g *Guard) missFirst(dir *handle.Handle, to *[]Part, rel string) {
	have := "."
	for rest := rel; ; {
		part, after, more := strings.Cut(rest, "/")
		next := filepath.Join(have, part)
		h, err := g.beneath(dir, next)
		if err != nil || !more {
			if err == nil {
				h.Close()
			}
			if have != "." {
				g.pin(dir, to, have)
			}
			g.miss(dir, next, g.shown(dir, next))
			return
		}
		h.Close()
		have, rest = next, after
	}
}

// protectLink protects what a link inside dir leads to, as far as that is inside too, and remembers what it says.
func (g *Guard) protectLink(dir *handle.Handle, to *[]Part, rel string) {
	have, rest := ".", rel
	for {
		part, after, _ := strings.Cut(rest, "/")
		next := filepath.Join(have, part)
		parent, name, ok := g.parent(dir, next)
		if !ok {
			return
		}
		if target, err := readlink(parent.FD, name); err == nil {
			g.links = append(g.links, link{missing{parent, name, g.shown(dir, next)}, target})
			g.protectBehind(dir, to, next, after, target)
			return
		}
		if after == "" {
			return
		}
		have, rest = next, after
	}
}

// protectBehind protects what lies behind a link, in dir or in what else is shared; rest is the way from there.
func (g *Guard) protectBehind(dir *handle.Handle, to *[]Part, at, rest, target string) {
	defer func() { g.followed-- }()
	if g.followed++; g.followed > 40 {
		return // links to each other, which the kernel does not follow either
	}
	real, err := dir.Inside(at)
	g.note(err, dir, at)
	if err != nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir.Path, filepath.Dir(at), target)
		}
		g.protectPath(filepath.Join(target, rest))
		return
	}
	defer real.Close()
	if in, ok := below(real.Now(), dir.Now()); ok {
		if path := filepath.Join(in, rest); path != "." && path != at {
			g.protect(dir, to, path)
		}
	}
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	return string(buf[:max(0, n)]), err
}

func (g *Guard) excepted(path string) bool {
	if g.ask.None {
		return true
	}
	for _, e := range g.ask.Except {
		if _, in := below(path, e); in {
			return true
		}
	}
	return false
}

// miss remembers that a name is not there.
func (g *Guard) miss(dir *handle.Handle, rel, shown string) {
	if g.excepted(filepath.Join(dir.Path, rel)) {
		return
	}
	if parent, name, ok := g.parent(dir, rel); ok {
		g.missing = append(g.missing, missing{parent, name, shown})
	}
}

// parent opens the directory that a path below dir lies in.
func (g *Guard) parent(dir *handle.Handle, rel string) (*handle.Handle, string, bool) {
	up, name := filepath.Split(rel)
	if up == "" {
		return g.base(dir), name, true
	}
	h, err := g.beneath(dir, filepath.Clean(up))
	if err != nil {
		return nil, "", false
	}
	return g.hold(h), name, true
}

// shown is a path as people know it: below the shared directory where it is there.
func (g *Guard) shown(dir *handle.Handle, rel string) string {
	path := filepath.Join(dir.Path, rel)
	if in, ok := below(path, g.dir.Path); ok {
		return in
	}
	return path
}

// below is path relative to dir, "." for dir itself; both are absolute and clean.
func below(path, dir string) (string, bool) {
	switch {
	case path == dir:
		return ".", true
	case dir == "/" && strings.HasPrefix(path, "/"):
		return path[1:], true
	case dir != "" && strings.HasPrefix(path, dir+"/"):
		return path[len(dir)+1:], true
	}
	return "", false
}
