package worktree

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// guardGitDir protects what git outside obeys: configuration, hooks, and what leads it to others of either.
func (g *Guard) guardGitDir(d *gitDir) {
	if g.known[d.ID] || g.half[d.ID] {
		return
	}
	// One that is none yet is guarded, and not known: an earlier command may have made all of it but a name.
	if filepath.Base(d.rel) == ".git" || isGitDir(d.Handle) {
		g.known[d.ID] = true
	} else {
		g.half[d.ID] = true
	}
	g.watched.dirs = append(g.watched.dirs, g.base(d.Handle))
	if d.rel != "." && !g.pin(d.base, d.to, d.rel) {
		return
	}
	has := g.listed(d.Handle, "config", "hooks", "config.worktree", "commondir", "worktrees", "modules", "lazygit.yml")
	for _, name := range []string{"config", "hooks", "config.worktree", "commondir", "lazygit.yml"} {
		if has[name] {
			g.protect(d.base, d.to, filepath.Join(d.rel, name))
		} else {
			g.miss(d.Handle, name, g.shown(d.Handle, name))
		}
	}
	var config, more []byte
	if has["config"] {
		var err error
		if config, err = g.read(d.Handle, "config"); errors.Is(err, unix.ELOOP) {
			config, _ = g.readNamed(filepath.Join(d.Path, "config"))
		}
	}
	if has["config.worktree"] {
		more, _ = g.read(d.Handle, "config.worktree")
	}
	tops := []string{topOf(d, config, more)}
	if has["worktrees"] {
		tops = append(tops, g.guardWorktrees(d)...)
	}
	g.tops = append(g.tops, tops...)
	if has["hooks"] {
		g.hookLinks(filepath.Join(d.Path, "hooks"))
	}
	g.follow(scope{true, tops}, filepath.Join(d.Path, "config"), config, 0)
	g.follow(scope{true, tops[:1]}, filepath.Join(d.Path, "config.worktree"), more, 0)
	if slices.ContainsFunc(underWay, func(u way) bool { return has[u.dir] }) {
		g.noteState(d.Handle)
	}
	if has["modules"] {
		g.guardModules(d, "modules")
	}
}

// listed are the names in a directory; where it can be entered and not listed, some of them.
func (g *Guard) listed(dir *handle.Handle, some ...string) map[string]bool {
	has := map[string]bool{}
	entries, err := g.list(dir)
	for _, e := range entries {
		has[e.name] = true
	}
	if err != nil {
		for _, u := range underWay {
			some = append(some, u.dir)
		}
		var st unix.Stat_t
		for _, name := range some {
			has[name] = has[name] || g.has(dir, name, &st)
		}
	}
	return has
}

// topOf is the work tree of a repository: a submodule's says where that is.
func topOf(d *gitDir, configs ...[]byte) string {
	top := d.top.Path
	for _, data := range configs {
		if !bytes.Contains(bytes.ToLower(data), []byte("worktree")) {
			continue
		}
		vars, _ := parseConfig(data)
		for _, v := range vars {
			if v.name() == "core.worktree" && v.value != "" {
				if top = v.value; !filepath.IsAbs(top) {
					top = filepath.Join(d.Path, top)
				}
			}
		}
	}
	return top
}

// leading is what, in the directory of a linked work tree, leads git to others of what it obeys.
var leading = []string{"config.worktree", "commondir", "gitdir"}

// guardWorktrees makes read-only what the repository keeps of its linked work trees, but for the one that is shared, and
// returns where those are.
func (g *Guard) guardWorktrees(d *gitDir) (tops []string) {
	dir, err := g.beneath(d.Handle, "worktrees")
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, err := g.list(dir)
	if err != nil { // entered, and not listed
		g.protect(d.base, d.to, filepath.Join(d.rel, "worktrees"))
		return nil
	}
	for _, e := range entries {
		rel := filepath.Join("worktrees", e.name)
		var st unix.Stat_t
		if g.has(dir, e.name, &st) {
			g.known[handle.ID{Dev: st.Dev, Ino: st.Ino}] = true
		}
		back, err := g.read(dir, filepath.Join(e.name, "gitdir"))
		top := filepath.Dir(strings.TrimSpace(string(back)))
		if !filepath.IsAbs(top) {
			top = filepath.Join(d.Path, rel, top)
		}
		if err == nil {
			tops = append(tops, top)
			config, _ := g.read(dir, filepath.Join(e.name, "config.worktree"))
			g.follow(scope{true, []string{top}}, filepath.Join(d.Path, rel, "config.worktree"), config, 0)
		}
		_, _, in := g.lies(top)
		switch {
		case err != nil || !in && !g.isTop(d, top):
			g.protect(d.base, d.to, filepath.Join(d.rel, rel))
			continue // nor is anything new under way there
		case in: // it is shared, and works
			for _, name := range leading {
				g.protect(d.base, d.to, filepath.Join(d.rel, rel, name))
			}
		}
		g.guardModules(d, filepath.Join(rel, "modules"))
		if h, err := g.beneath(dir, e.name); err == nil {
			g.noteState(h)
			h.Close()
		}
	}
	return tops
}

// isTop says whether a path is that of the work tree that is shared.
func (g *Guard) isTop(d *gitDir, path string) bool {
	h, err := d.Open(path)
	if err != nil {
		return false
	}
	defer h.Close()
	return h.ID == d.top.ID
}

// guardModules guards the repositories of submodules, which may have their own.
func (g *Guard) guardModules(d *gitDir, modules string) {
	left := mostModules
	var walk func(rel string, level int)
	walk = func(rel string, level int) {
		dir, err := g.beneath(d.base, rel)
		if errors.Is(err, unix.ELOOP) {
			g.protectLink(d.base, d.to, rel)
		}
		if err != nil {
			return
		}
		entries, err := g.list(dir)
		dir.Close()
		if err != nil || len(entries) > 16*mostModules || level > 6 {
			g.protect(d.base, d.to, rel) // as a whole, where it cannot be looked at
			return
		}
		for _, e := range entries {
			at := filepath.Join(rel, e.name)
			if e.kind == unix.DT_LNK {
				g.protectLink(d.base, d.to, at)
			}
			if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN {
				continue
			}
			if left--; left < 0 {
				g.protect(d.base, d.to, filepath.Join(d.rel, modules))
				return
			}
			m, err := g.beneath(d.base, at)
			if err != nil {
				continue
			}
			switch {
			case !m.IsDir():
				m.Close()
			case g.isGitDir(m):
				g.guardGitDir(&gitDir{Handle: g.hold(m), base: d.base, to: d.to, rel: at, top: d.top})
			default:
				m.Close()
				walk(at, level+1) // a name with slashes in it
			}
		}
	}
	walk(filepath.Join(d.rel, modules), 0)
}

// findNested guards repositories that lie directly in the shared directory: a directory of clones. A file .git there
// leads to a submodule's or linked work tree's repository, and is protected as it is.
func (g *Guard) findNested(entries []entry) {
	guarded := 0
	for _, e := range entries {
		if e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN || e.name == ".git" {
			continue
		}
		var st unix.Stat_t
		rel := e.name + "/.git"
		if !g.has(g.dir, rel, &st) {
			continue
		}
		if guarded++; guarded <= mostNested {
			g.guardNested(rel)
			continue
		}
		// As a whole: each that is guarded in its parts is six mounts, and as many descriptors.
		g.known[handle.ID{Dev: st.Dev, Ino: st.Ino}] = true
		g.protect(g.dir, &g.Inside, rel)
		g.Whole++
	}
}

func (g *Guard) guardNested(rel string) {
	h, err := g.beneath(g.dir, rel)
	if err != nil {
		g.protect(g.dir, &g.Inside, rel)
		return
	}
	top, err := g.beneath(g.dir, filepath.Dir(rel))
	if err != nil {
		h.Close()
		return
	}
	defer top.Close()
	if h.IsDir() {
		g.guardGitDir(&gitDir{Handle: g.hold(h), base: g.dir, to: &g.Inside, rel: rel, top: top})
		return
	}
	g.known[h.ID] = true
	g.protect(g.dir, &g.Inside, rel)
	h.Close()
	if git := gitFile(g, top); git != nil {
		common, _ := g.common(git)
		g.guardInside(git, common, top)
	}
}
