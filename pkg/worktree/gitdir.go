package worktree

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// guardGitDir protects what git outside obeys: configuration, hooks, and what leads it to others of either.
func (g *Guard) guardGitDir(d *gitDir) {
	if g.known[d.ID] {
		return
	}
	g.known[d.ID] = true // a look that finds something closed counts for nothing, see Find
	if own, err := d.Dup(); err == nil {
		g.watched.dirs = append(g.watched.dirs, own)
	}
	if d.rel != "." && !g.pin(d.base, d.to, d.rel) {
		return
	}
	for _, name := range []string{"config", "hooks", "config.worktree", "commondir"} {
		var st unix.Stat_t
		if g.has(d.Handle, name, &st) {
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
	g.noteState(d.Handle)
	g.guardWorktrees(d)
	g.guardModules(d)
}

// guardHooks protects what hooks are that are links: a script of the work tree, say.
func (g *Guard) guardHooks(d *gitDir) {
	hooks, err := g.beneath(d.Handle, "hooks")
	if err != nil {
		return
	}
	defer hooks.Close()
	entries, _ := g.list(hooks)
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
	dir, err := g.beneath(d.Handle, "worktrees")
	if err != nil {
		return
	}
	defer dir.Close()
	entries, err := g.list(dir)
	if err != nil { // entered, and not listed
		g.protect(d.base, d.to, filepath.Join(d.rel, "worktrees"))
		return
	}
	for _, e := range entries {
		rel := filepath.Join(d.rel, "worktrees", e.name)
		back, err := g.read(dir, filepath.Join(e.name, "gitdir"))
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
		dir, err := g.beneath(d.base, rel)
		if err != nil || level > 6 {
			return
		}
		entries, err := g.list(dir)
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
			m, err := g.beneath(d.base, at)
			if err != nil || !m.IsDir() {
				continue
			}
			if g.isGitDir(m) {
				g.guardGitDir(&gitDir{Handle: m, base: d.base, to: d.to, rel: at, top: d.top})
			} else {
				walk(at, level+1) // a name with slashes in it
			}
		}
	}
	walk(filepath.Join(d.rel, "modules"), 0)
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
		if !g.has(g.dir, rel, &st) {
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
	h, err := g.beneath(g.dir, rel)
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
	top, err := g.beneath(g.dir, filepath.Dir(rel))
	if err != nil {
		return
	}
	g.guardGitDir(&gitDir{Handle: h, base: g.dir, to: &g.Inside, rel: rel, top: top})
}
