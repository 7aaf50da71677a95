package worktree

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// OwnConfig is a configuration file of the caller's own or of the system's, which git obeys wherever they stand.
type OwnConfig struct {
	Path string
	Data []byte // nil for one that is to be read
}

// scope is what a configuration counts for.
type scope struct {
	repo bool     // a repository's, else the caller's own
	tops []string // the work trees, in which relative paths begin
}

// area is a directory that is shared, and where its parts are noted.
type area struct {
	dir *handle.Handle
	to  *[]Part
}

func (g *Guard) areas() []area {
	list := []area{{g.dir, &g.Inside}}
	for _, d := range g.GitDirs {
		list = append(list, area{d.Handle, &d.Parts})
	}
	return list
}

// mostIncludes is how deep git follows files that include each other (MAX_INCLUDE_DEPTH in its config.c).
const mostIncludes = 10

// followOwn protects what the caller's own configuration names, and the files of that.
func (g *Guard) followOwn() {
	for _, f := range g.ask.Own {
		s := scope{tops: g.tops}
		if f.Data == nil {
			g.followFile(s, f.Path, 0)
			continue
		}
		if f.Path != "" {
			g.protectPath(f.Path)
		}
		g.follow(s, f.Path, f.Data, 0)
	}
}

// followFile is follow for a file that is named, which is protected itself.
func (g *Guard) followFile(s scope, path string, level int) {
	if level > mostIncludes {
		return
	}
	data, err := []byte(nil), error(unix.ELOOP)
	if _, _, in := g.lies(path); !in {
		data, err = readUpTo(here, path, mostRead, unix.RESOLVE_NO_SYMLINKS)
	}
	if errors.Is(err, unix.ELOOP) { // or shared
		g.protectPath(path)
		data, err = g.readNamed(path)
	}
	if err == nil {
		g.follow(s, path, data, level)
	}
}

// here is where absolute paths begin, too.
var here = &handle.Handle{FD: unix.AT_FDCWD}

// follow protects what a configuration file names inside of what is shared: files that it includes, under whatever
// condition, the directory of hooks, programs. path is the file's, as git opens it.
func (g *Guard) follow(s scope, path string, data []byte, level int) {
	vars, _ := parseConfig(data)
	if s.repo {
		g.noteKeys(path, vars)
	}
	for _, v := range vars {
		switch {
		case v.section == "core" && v.key == "hookspath":
			g.followHooks(s, v.value)
		case (v.section == "include" || v.section == "includeif") && v.key == "path":
			for _, p := range g.named([]string{filepath.Dir(path)}, v.value) {
				g.followFile(s, p, level+1)
			}
		case v.section == "init" && v.key == "templatedir": // what a new repository begins with, hooks too
			for _, p := range g.named(s.tops, v.value) {
				g.protectPath(p)
			}
		case runs(v):
			g.followCommand(s, v)
		case !s.repo, plain(v), v.section == "branch", v.section == "user", v.key == "url", v.key == "pushurl", v.key == "fetch", v.key == "push":
		default:
			for _, word := range strings.Fields(v.value) {
				g.followWord(s, word, false)
			}
		}
	}
}

func (g *Guard) followHooks(s scope, value string) {
	for _, p := range g.named(s.tops, value) {
		if filepath.Base(p) == "_" && filepath.Base(filepath.Dir(p)) == ".husky" {
			p = filepath.Dir(p) // what lies in _ runs what lies beside it
		}
		if s.repo && filepath.Clean(value) == ".husky" && !slices.Contains(g.wantsEnv, "HUSKY=0") {
			// Up to version 8 husky writes below that directory at each install, and fails where it cannot.
			g.wantsEnv = append(g.wantsEnv, "HUSKY=0")
		}
		if relative := !filepath.IsAbs(g.home(value)); !slices.Contains(s.tops, p) || !s.repo && !relative {
			g.sharedIsIn(p)
		}
		g.protectHooks(p)
	}
}

// sharedIsIn has the whole of what is shared read-only where it lies in a directory of hooks: `core.hooksPath = .husky`,
// and who stands there. But not for a path that names a disk, or all of a work tree.
func (g *Guard) sharedIsIn(path string) {
	if _, in := below(g.dir.Path, path); !in {
		path = g.real(path)
		if _, in := below(g.now(), path); !in {
			return
		}
	}
	h, err := handle.Open(path)
	if err != nil {
		return
	}
	defer h.Close()
	if h.IsDir() && (g.Tree == nil || h.ID != g.Tree.ID) && path != "/" && !g.ask.None {
		g.InGit = path
	}
}

// protectHooks protects a directory of hooks, and what those lead to that are links: a script of the work tree, say.
func (g *Guard) protectHooks(path string) {
	g.protectPath(path)
	for _, dir := range []string{path, filepath.Join(path, "_")} {
		g.hookLinks(dir)
		if filepath.Base(path) != ".husky" {
			return
		}
	}
}

func (g *Guard) hookLinks(path string) {
	fd, err := g.openDirNamed(path)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	entries, _ := listFD(fd, make([]byte, 4<<10))
	for _, e := range entries {
		if e.kind != unix.DT_LNK && e.kind != unix.DT_UNKNOWN {
			continue
		}
		if target, err := readlink(fd, e.name); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join((&handle.Handle{FD: fd}).Now(), target)
			}
			g.protectPath(filepath.Clean(target))
		}
	}
}

// openDirNamed opens the directory that a path leads to, to list it.
func (g *Guard) openDirNamed(path string) (int, error) {
	const how = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK
	if a, rel, ok := g.lies(path); ok {
		fd, err := a.dir.OpenAt(rel, how, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
		if g.note(err, a.dir, rel); !errors.Is(err, unix.EXDEV) {
			return fd, err
		}
	}
	return here.OpenAt(path, how, 0)
}

// named are the paths that a configuration means, relative ones in each of some directories.
func (g *Guard) named(from []string, path string) (list []string) {
	path = g.home(path)
	switch {
	case path == "" || strings.HasPrefix(path, "~") || strings.HasPrefix(path, "%(") || len(path) >= unix.PathMax:
		return nil
	case filepath.IsAbs(path):
		return []string{filepath.Clean(path)}
	}
	for _, dir := range from {
		if filepath.IsAbs(dir) {
			list = append(list, filepath.Join(dir, path))
		}
	}
	return list
}

// home is a path with its ~ undone, the caller's name for it too.
func (g *Guard) home(path string) string {
	if !strings.HasPrefix(path, "~") || g.ask.Home == "" {
		return path
	}
	user, rest, _ := strings.Cut(path[1:], "/")
	if user == "" || user == filepath.Base(g.ask.Home) {
		return filepath.Join(g.ask.Home, rest)
	}
	return path
}

// protectPath protects an absolute path where it lies in something that is shared, by this name or by way of links outside.
func (g *Guard) protectPath(path string) {
	if a, rel, ok := g.where(path); ok {
		g.protect(a.dir, a.to, rel)
	}
}

// protectDotfile is that for what a link of the caller's own leads to, and says so: it may be what they work on.
func (g *Guard) protectDotfile(path string) {
	a, rel, ok := g.where(path)
	if _, in := below(g.now(), g.real(path)); in && len(path) > 1 {
		g.AllDots = g.AllDots || !g.excepted(g.now())
		return
	}
	if !ok || g.excepted(path) {
		return
	}
	g.protect(a.dir, a.to, rel)
	if covered(*a.to, rel, true) {
		g.Dotfiles = append(g.Dotfiles, Quote(g.shown(a.dir, rel)))
	}
}

// where is the place of a path in what is shared.
func (g *Guard) where(path string) (a area, rel string, ok bool) {
	if a, rel, ok = g.lies(path); !ok {
		a, rel, ok = g.lies(g.real(path))
	}
	return a, rel, ok && rel != "."
}

func (g *Guard) lies(path string) (area, string, bool) {
	list := g.areas()
	for _, a := range list {
		if rel, in := below(path, a.dir.Path); in {
			return a, rel, true
		}
	}
	rel, in := below(path, g.now())
	return list[0], rel, in
}

// now is where the shared directory is; Path is how it was named.
func (g *Guard) now() string {
	if g.isNow == "" {
		g.isNow = g.dir.Now()
	}
	return g.isNow
}

// real follows the links on the way to a path, up to the first name that is not there or lies in what is shared: what comes
// then is looked up from the shared directory's own descriptor.
func (g *Guard) real(path string) string {
	if fd, err := here.OpenAt(path, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS); !errors.Is(err, unix.ELOOP) {
		if err == nil {
			unix.Close(fd)
		}
		return path
	}
	at, rest := "/", strings.TrimPrefix(filepath.Clean(path), "/")
	for links := 0; rest != "" && links < 40; {
		part, after, _ := strings.Cut(rest, "/")
		at, rest = filepath.Join(at, part), after
		if _, _, in := g.lies(at); in {
			break
		}
		target, err := readlink(unix.AT_FDCWD, at)
		if errors.Is(err, unix.EINVAL) {
			continue
		}
		if err != nil {
			break
		}
		links++
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		at, rest = "/", strings.TrimPrefix(filepath.Join(target, rest), "/")
	}
	return filepath.Join(at, rest)
}

// openNamed opens what a path leads to, links followed: from the shared directory's descriptor where it lies in that.
func (g *Guard) openNamed(path string) (*handle.Handle, error) {
	if a, rel, ok := g.lies(path); ok {
		h, err := a.dir.Inside(rel)
		if g.note(err, a.dir, rel); err == nil {
			return h, nil
		}
	}
	return handle.Open(path)
}

// readNamed reads what a path leads to.
func (g *Guard) readNamed(path string) ([]byte, error) {
	h, err := g.openNamed(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	data, err := readHandle(h, mostRead)
	if a, rel, ok := g.where(path); ok {
		g.note(err, a.dir, rel)
	}
	return data, err
}
