package worktree

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// gitDir is a repository's directory, with where its parts are noted.
type gitDir struct {
	*handle.Handle
	base *handle.Handle // the directory that is mounted and contains it
	to   *[]Part
	rel  string // below base
	top  *handle.Handle
}

// Bounds of what a start looks at; what lies beyond them is looked at when the command has ended.
const (
	mostModules = 64
	mostNested  = 16
	mostLooked  = 512
	mostLevels  = 64
)

// findGit finds the repository that the shared directory belongs to, as git does: in it, or in the nearest directory above.
func (g *Guard) findGit(has map[string]uint8) {
	switch _, git := has[".git"]; {
	case git:
		var st unix.Stat_t
		if unix.Fstatat(g.dir.FD, ".git", &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			g.known[handle.ID{Dev: st.Dev, Ino: st.Ino}] = true
		}
		g.openGit(g.dir)
		return
	case isGitDir(g.dir): // a bare one
		g.guardGitDir(&gitDir{Handle: g.dir, base: g.dir, to: &g.Inside, rel: ".", top: g.dir})
		return
	}
	g.miss(g.dir, ".git", ".git")
	up := g.dir
	for range mostLevels {
		next, err := up.Open("..")
		if err != nil || next.ID == up.ID {
			return
		}
		if up = next; g.ask.May != nil && !g.ask.May(up) {
			up.Close()
			return
		}
		if isGitDir(up) {
			g.InGit = up.Now()
			return
		}
		var st unix.Stat_t
		if unix.Fstatat(up.FD, ".git", &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			if up.Path = up.Now(); up.Path != "" && g.openGit(up) {
				g.Tree = &Dir{Handle: up}
			}
			return
		}
	}
}

// openGit finds the git directory of a work tree and says whether there is one that can be shown.
func (g *Guard) openGit(top *handle.Handle) bool {
	h, err := top.Beneath(".git")
	switch {
	case errors.Is(err, unix.ELOOP):
		g.protect(g.dir, &g.Inside, ".git") // a link, and what it leads to
		return false
	case err != nil:
		return false
	case h.IsDir() && top == g.dir:
		g.guardGitDir(&gitDir{Handle: h, base: g.dir, to: &g.Inside, rel: ".git", top: top})
		return true
	case h.IsDir():
		return g.show(h, top, "")
	}
	if top == g.dir {
		g.protect(g.dir, &g.Inside, ".git")
	}
	return g.linked(top, h)
}

// show adds a git directory that lies outside of the shared one. own is the directory in it of this work tree's own.
func (g *Guard) show(git, top *handle.Handle, own string) bool {
	if g.ask.May != nil && !g.ask.May(git) {
		return false
	}
	d := &Dir{Handle: git}
	g.GitDirs = append(g.GitDirs, d)
	g.guardGitDir(&gitDir{Handle: git, base: git, to: &d.Parts, rel: ".", top: top})
	if own != "" {
		g.pin(git, &d.Parts, own)
		for _, name := range []string{"config.worktree", "commondir", "gitdir"} {
			g.protect(git, &d.Parts, filepath.Join(own, name))
		}
	}
	return true
}

// linked follows the file .git of a linked work tree or a submodule (gitrepository-layout(5)). Such a file may have been
// written by a command that ran here before, to have another directory shared: so what it names must name this work tree.
func (g *Guard) linked(top, file *handle.Handle) bool {
	data, err := readBelow(top, ".git")
	path, ok := strings.CutPrefix(strings.TrimRight(string(data), "\r\n"), "gitdir: ")
	if err != nil || !ok || path == "" {
		return false
	}
	git, err := top.Open(path)
	if err != nil || !git.IsDir() {
		return false
	}
	if git.Path = git.Now(); git.Path == "" {
		return false
	}
	common, name := g.common(git)
	if rel, in := below(git.Path, g.dir.Path); in && rel != "." {
		g.guardInside(git, common, top)
		return false // it is shared anyway
	}
	if common != nil {
		back, err := readBelow(git, "gitdir")
		if err != nil || !g.names(git, strings.TrimSpace(string(back)), file.ID) || !isGitDir(common) {
			return false
		}
		return g.show(common, top, filepath.Join("worktrees", name))
	}
	config, _ := readBelow(git, "config")
	vars, _ := parseConfig(config)
	for _, v := range vars {
		if v.name() == "core.worktree" && g.names(git, v.value, top.ID) && isGitDir(git) {
			return g.show(git, top, "")
		}
	}
	return false
}

// guardInside guards a git directory in the shared one to which a .git file leads.
func (g *Guard) guardInside(git, common, top *handle.Handle) {
	for _, name := range []string{"config.worktree", "commondir", "gitdir"} {
		if rel, in := below(git.Path, g.dir.Path); in && common != nil {
			g.protect(g.dir, &g.Inside, filepath.Join(rel, name))
		}
	}
	if common == nil {
		common = git
	}
	if rel, in := below(common.Path, g.dir.Path); in && rel != "." && isGitDir(common) {
		g.guardGitDir(&gitDir{Handle: common, base: g.dir, to: &g.Inside, rel: rel, top: top})
	}
}

// common is the repository that a linked work tree's git directory is a part of, and the directory's name there.
func (g *Guard) common(git *handle.Handle) (*handle.Handle, string) {
	data, err := readBelow(git, "commondir")
	if err != nil {
		return nil, ""
	}
	common, err := git.Open(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, ""
	}
	name := filepath.Base(git.Path)
	if common.Path = common.Now(); common.Path == "" {
		return nil, ""
	}
	if in, err := common.Beneath(filepath.Join("worktrees", name)); err == nil && in.ID == git.ID {
		return common, name
	}
	return nil, ""
}

// names says whether a path that is written in a git directory leads to a file.
func (g *Guard) names(git *handle.Handle, path string, id handle.ID) bool {
	h, err := git.Open(path)
	if err != nil {
		return false
	}
	defer h.Close()
	return h.ID == id
}

// isGitDir is git's own test of whether a directory is a repository, but for what HEAD says: objects and refs may lie where
// the file commondir leads to.
func isGitDir(h *handle.Handle) bool {
	var st unix.Stat_t
	has := func(name string) bool { return unix.Fstatat(h.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil }
	return has("HEAD") && (has("objects") && has("refs") || has("commondir"))
}

// guardGitDir protects what git outside obeys: configuration, hooks, and what leads it to others of either.
func (g *Guard) guardGitDir(d *gitDir) {
	if g.known[d.ID] {
		return
	}
	g.known[d.ID] = true
	if own, err := d.Dup(); err == nil {
		g.watched.dirs = append(g.watched.dirs, own)
	}
	if d.rel != "." && !g.pin(d.base, d.to, d.rel) {
		return
	}
	for _, name := range []string{"config", "hooks", "config.worktree", "commondir"} {
		var st unix.Stat_t
		if unix.Fstatat(d.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			g.protect(d.base, d.to, filepath.Join(d.rel, name))
		} else {
			g.miss(d.Handle, name, g.shown(d.Handle, name))
		}
	}
	g.guardHooks(d)
	if g.ask.Hooks != "" {
		g.protectNamed(d, d.top, g.ask.Hooks)
	}
	g.followConfig(d, d.Handle, "config", 0)
	g.followConfig(d, d.Handle, "config.worktree", 0)
	g.noteTodo(d.Handle)
	g.guardWorktrees(d)
	g.guardModules(d)
}

// guardHooks protects what hooks are that are links: a script of the work tree, say.
func (g *Guard) guardHooks(d *gitDir) {
	hooks, err := d.Beneath("hooks")
	if err != nil {
		return
	}
	defer hooks.Close()
	entries, _ := list(hooks, make([]byte, 4<<10))
	for _, e := range entries {
		if e.kind == unix.DT_LNK || e.kind == unix.DT_UNKNOWN {
			if target, err := readlink(hooks.FD, e.name); err == nil {
				if !filepath.IsAbs(target) {
					target = filepath.Join(d.Path, "hooks", target)
				}
				g.protectPath(filepath.Clean(target), area{d.base, d.to})
			}
		}
	}
}

// guardWorktrees makes read-only what the repository keeps of its linked work trees, but for the one that is shared.
func (g *Guard) guardWorktrees(d *gitDir) {
	dir, err := d.Beneath("worktrees")
	if err != nil {
		return
	}
	defer dir.Close()
	entries, err := list(dir, make([]byte, 4<<10))
	if err != nil { // entered, and not listed
		g.protect(d.base, d.to, filepath.Join(d.rel, "worktrees"))
		return
	}
	for _, e := range entries {
		rel := filepath.Join(d.rel, "worktrees", e.name)
		back, err := readBelow(dir, filepath.Join(e.name, "gitdir"))
		if err == nil && g.isTop(d, strings.TrimSpace(string(back))) {
			continue
		}
		g.protect(d.base, d.to, rel)
	}
}

// isTop says whether the path of a .git file is that of the work tree that is shared.
func (g *Guard) isTop(d *gitDir, path string) bool {
	h, err := d.Open(filepath.Dir(path))
	if err != nil {
		return false
	}
	defer h.Close()
	return h.ID == d.top.ID
}

// guardModules guards the repositories of submodules, which may have their own.
func (g *Guard) guardModules(d *gitDir) {
	left := mostModules
	var walk func(rel string, level int)
	walk = func(rel string, level int) {
		dir, err := d.base.Beneath(rel)
		if err != nil || level > 6 {
			return
		}
		entries, err := list(dir, make([]byte, 4<<10))
		dir.Close()
		if err != nil || len(entries) > 16*mostModules {
			g.protect(d.base, d.to, rel) // as a whole, where it cannot be looked at
			return
		}
		for _, e := range entries {
			if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN {
				continue
			}
			if left--; left < 0 {
				g.protect(d.base, d.to, filepath.Join(d.rel, "modules"))
				return
			}
			at := filepath.Join(rel, e.name)
			m, err := d.base.Beneath(at)
			if err != nil || !m.IsDir() {
				continue
			}
			if isGitDir(m) {
				g.guardGitDir(&gitDir{Handle: m, base: d.base, to: d.to, rel: at, top: d.top})
			} else {
				walk(at, level+1) // a name with slashes in it
			}
		}
	}
	walk(filepath.Join(d.rel, "modules"), 0)
}

// followConfig protects what a configuration file names inside of what is shared: files that it includes, the directory
// of hooks, programs.
func (g *Guard) followConfig(d *gitDir, dir *handle.Handle, name string, level int) {
	data, err := readBelow(dir, name)
	if err != nil || level > 8 {
		return
	}
	vars, _ := parseConfig(data)
	g.noteKeys(filepath.Join(dir.Path, name), vars)
	for _, v := range vars {
		switch {
		case v.section == "core" && v.key == "hookspath":
			g.protectNamed(d, d.top, v.value)
			if filepath.Clean(v.value) == ".husky" {
				// Up to version 8 husky writes below that directory at each install, and fails where it cannot.
				g.wantsEnv = append(g.wantsEnv, "HUSKY=0")
			}
		case (v.section == "include" || v.section == "includeif") && v.key == "path":
			from := dir
			if at := filepath.Dir(name); at != "." {
				if from, err = dir.Beneath(at); err != nil {
					continue
				}
			}
			if in, rel, ok := g.protectNamed(d, from, v.value); ok {
				g.followConfig(d, in, rel, level+1)
			}
		case v.section == "branch", v.section == "user", v.key == "url", v.key == "pushurl", v.key == "fetch", v.key == "push":
		default:
			for _, word := range strings.Fields(v.value) {
				if word = strings.Trim(word, `!"';`); word != "" && len(word) < unix.PathMax {
					g.protectProgram(d, word)
				}
			}
		}
	}
}

// protectNamed protects a path that a configuration names, relative to from, where it lies in something that is shared.
func (g *Guard) protectNamed(d *gitDir, from *handle.Handle, path string) (in *handle.Handle, rel string, ok bool) {
	if rest, home := strings.CutPrefix(path, "~/"); home && g.ask.Home != "" {
		path = filepath.Join(g.ask.Home, rest)
	}
	if path == "" || strings.HasPrefix(path, "~") || strings.HasPrefix(path, "%(") {
		return nil, "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(from.Path, path)
	}
	path = filepath.Clean(path)
	if filepath.Base(path) == "_" && filepath.Base(filepath.Dir(path)) == ".husky" {
		path = filepath.Dir(path) // what lies in _ runs what lies beside it
	}
	return g.protectPath(path, area{d.base, d.to})
}

// protectPath protects an absolute path where it lies in something that is shared. Where what is shared lies in it, all of
// that is not writable.
func (g *Guard) protectPath(path string, own area) (in *handle.Handle, rel string, ok bool) {
	if _, in := below(g.dir.Path, path); in && !g.ask.None {
		// `core.hooksPath = .husky`, and who stands there: but not a path that names all of a work tree, or a disk.
		if h, err := handle.Open(path); err == nil {
			if h.IsDir() && h.ID != own.dir.ID && (g.Tree == nil || h.ID != g.Tree.ID) && path != "/" {
				g.InGit = path
			}
			h.Close()
		}
		return nil, "", false
	}
	for _, area := range append([]area{{g.dir, &g.Inside}, own}, g.areas()...) {
		if rel, in := below(path, area.dir.Path); in && rel != "." {
			g.protect(area.dir, area.to, rel)
			return area.dir, rel, true
		}
	}
	return nil, "", false
}

type area struct {
	dir *handle.Handle
	to  *[]Part
}

func (g *Guard) areas() (list []area) {
	for _, d := range g.GitDirs {
		list = append(list, area{d.Handle, &d.Parts})
	}
	return list
}

// protectProgram is protectNamed for a word of a command: only for a file that is there.
func (g *Guard) protectProgram(d *gitDir, word string) {
	if !filepath.IsAbs(word) {
		word = filepath.Join(d.top.Path, word)
	}
	rel, ok := below(filepath.Clean(word), g.dir.Path)
	if !ok || rel == "." {
		return
	}
	if h, err := g.dir.Inside(rel); err == nil {
		if h.Kind() == unix.S_IFREG {
			g.protect(g.dir, &g.Inside, rel)
		}
		h.Close()
	}
}

// findNested guards repositories that lie directly in the shared directory: a directory of clones. A file .git there
// leads to a submodule's repository, and is protected as it is.
func (g *Guard) findNested(entries []entry) {
	guarded := 0
	for i, e := range entries {
		if i >= mostLooked {
			return
		}
		if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN || e.name == ".git" {
			continue
		}
		var st unix.Stat_t
		rel := e.name + "/.git"
		if unix.Fstatat(g.dir.FD, rel, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if guarded++; guarded > mostNested {
			g.known[handle.ID{Dev: st.Dev, Ino: st.Ino}] = false
			continue
		}
		g.guardNested(rel)
	}
}

func (g *Guard) guardNested(rel string) {
	h, err := g.dir.Beneath(rel)
	if err != nil {
		g.protect(g.dir, &g.Inside, rel)
		return
	}
	if !h.IsDir() {
		g.known[h.ID] = true
		g.protect(g.dir, &g.Inside, rel)
		h.Close()
		return
	}
	top, err := g.dir.Beneath(filepath.Dir(rel))
	if err != nil {
		return
	}
	g.guardGitDir(&gitDir{Handle: h, base: g.dir, to: &g.Inside, rel: rel, top: top})
}

// harmless says whether a repository that nobody knew is one that makes git outside do nothing: plain keys, no hooks but
// samples, nothing that leads elsewhere.
func harmless(git *handle.Handle) bool {
	var st unix.Stat_t
	for _, name := range []string{"commondir", "config.worktree"} {
		if unix.Fstatat(git.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return false
		}
	}
	if hooks, err := git.Beneath("hooks"); err == nil {
		entries, err := list(hooks, make([]byte, 4<<10))
		hooks.Close()
		for _, e := range entries {
			if !strings.HasSuffix(e.name, ".sample") {
				return false
			}
		}
		if err != nil {
			return false
		}
	} else if !errors.Is(err, unix.ENOENT) {
		return false
	}
	data, err := readBelow(git, "config")
	if errors.Is(err, unix.ENOENT) {
		return true
	}
	vars, syntax := parseConfig(data)
	if err != nil || syntax != nil || bytes.IndexByte(data, 0) >= 0 {
		return false
	}
	for _, v := range vars {
		if !plain(v) {
			return false
		}
	}
	return true
}

// plain are keys that name no program and no other file.
func plain(v variable) bool {
	switch v.section {
	case "core":
		return contains([]string{"repositoryformatversion", "filemode", "bare", "logallrefupdates", "ignorecase", "precomposeunicode", "symlinks", "autocrlf", "eol", "safecrlf"}, v.key)
	case "remote":
		return contains([]string{"fetch", "push", "tagopt", "prune", "mirror", "promisor", "partialclonefilter"}, v.key) ||
			(v.key == "url" || v.key == "pushurl") && !strings.Contains(v.value, "::") && !strings.HasPrefix(v.value, "-")
	case "branch":
		return contains([]string{"remote", "merge", "rebase", "pushremote", "description"}, v.key)
	case "user":
		return contains([]string{"name", "email"}, v.key)
	case "submodule":
		return v.key == "active" || v.key == "url" && !strings.Contains(v.value, "::") && !strings.HasPrefix(v.value, "-")
	case "extensions":
		return contains([]string{"objectformat", "partialclone", "refstorage", "noop"}, v.key)
	case "pack", "index", "status", "color", "advice", "pull", "push", "fetch", "init", "lfs":
		return v.subsection == "" && !strings.ContainsAny(v.value, "/!$`;|&")
	}
	return false
}

// noteKeys remembers what a configuration said at the start that is not plain.
func (g *Guard) noteKeys(path string, vars []variable) {
	for i := range g.fixed {
		if f := &g.fixed[i]; filepath.Join(f.base.Path, f.rel) == path {
			f.keys = map[string]bool{}
			for _, v := range vars {
				if !plain(v) {
					f.keys[v.name()+"="+v.value] = true
				}
			}
		}
	}
}

// todo is where a rebase that is under way keeps its lines, some of which may be programs to run.
const todo = "rebase-merge/git-rebase-todo"

// noteTodo remembers which programs a rebase would run.
func (g *Guard) noteTodo(git *handle.Handle) {
	for line := range programs(git) {
		if g.todos == nil {
			g.todos = map[string]bool{}
		}
		g.todos[line] = true
	}
}

// programs are the lines of a rebase that run programs (git-rebase(1), "exec").
func programs(git *handle.Handle) map[string]bool {
	data, err := readBelow(git, todo)
	if err != nil {
		return nil
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "exec" || word == "x" {
			lines[strings.TrimSpace(line)] = true
		}
	}
	return lines
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
