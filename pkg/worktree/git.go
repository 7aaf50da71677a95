package worktree

import (
	"errors"
	"path/filepath"
	"slices"
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

// Bounds of what a start guards in its parts: what lies beyond them is read-only as a whole.
const (
	mostModules = 64
	mostNested  = 200
)

// mostLevels bounds the way up to the repository that the shared directory lies in.
const mostLevels = 64

// findGit finds the repository that the shared directory belongs to, as git does: in it, or in the nearest directory above.
func (g *Guard) findGit(has map[string]uint8) {
	switch kind, git := has[".git"]; {
	case git:
		var st unix.Stat_t
		if kind != unix.DT_DIR && g.has(g.dir, ".git", &st) && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			g.known[handle.ID{Dev: st.Dev, Ino: st.Ino}] = true
		}
		g.openGit(g.dir)
		return
	case g.isGitDir(g.dir): // a bare one
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
		if g.has(up, "HEAD", &unix.Stat_t{}) && isGitDir(up) {
			if g.InGit = up.Now(); g.InGit == "" {
				g.InGit = "a repository above"
			}
			return
		}
		var st unix.Stat_t
		if g.has(up, ".git", &st) {
			if up.Path = up.Now(); up.Path != "" && g.openGit(up) {
				g.Tree = &Dir{Handle: up}
			}
			return
		}
	}
}

// openGit finds the git directory of a work tree and says whether there is one that can be shown.
func (g *Guard) openGit(top *handle.Handle) bool {
	h, err := g.beneath(top, ".git")
	switch {
	case errors.Is(err, unix.ELOOP):
		g.protect(g.dir, &g.Inside, ".git") // a link, and what it leads to
		return false
	case err != nil:
		return false
	case h.IsDir() && top == g.dir:
		g.guardGitDir(&gitDir{Handle: g.hold(h), base: g.dir, to: &g.Inside, rel: ".git", top: top})
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
		for _, name := range leading {
			g.protect(git, &d.Parts, filepath.Join(own, name))
		}
	}
	return true
}

// linked follows the file .git of a linked work tree or a submodule (gitrepository-layout(5)). Such a file may have been
// written by a command that ran here before, to have another directory shared: so what it names must name this work tree.
func (g *Guard) linked(top, file *handle.Handle) bool {
	git := gitFile(g, top)
	if git == nil {
		return false
	}
	common, name := g.common(git)
	if rel, in := below(git.Path, g.dir.Path); in && rel != "." {
		g.guardInside(git, common, top)
		return false // it is shared anyway
	}
	if common != nil {
		back, err := g.read(git, "gitdir")
		if err != nil || !g.names(git, strings.TrimSpace(string(back)), file.ID) || !g.isGitDir(common) {
			return false
		}
		return g.show(common, top, filepath.Join("worktrees", name))
	}
	return g.submodule(git, top) && g.show(git, top, "")
}

// submodule says whether a git directory says of itself that its work tree is this one.
func (g *Guard) submodule(git, top *handle.Handle) bool {
	config, _ := g.read(git, "config")
	vars, _ := parseConfig(config)
	return slices.ContainsFunc(vars, func(v variable) bool {
		return v.name() == "core.worktree" && g.names(git, v.value, top.ID) && g.isGitDir(git)
	})
}

// gitFile is where the file .git of a work tree leads, nil for nowhere.
func gitFile(g *Guard, top *handle.Handle) *handle.Handle {
	data, err := g.read(top, ".git")
	path, ok := strings.CutPrefix(strings.TrimRight(string(data), "\r\n"), "gitdir: ")
	if err != nil || !ok || path == "" {
		return nil
	}
	git, err := top.Open(path)
	if err != nil {
		return nil
	}
	if git.Path = git.Now(); git.Path == "" || !git.IsDir() {
		git.Close()
		return nil
	}
	return git
}

// guardInside guards a git directory in the shared one to which a .git file leads.
func (g *Guard) guardInside(git, common, top *handle.Handle) {
	for _, name := range leading {
		if rel, in := below(git.Path, g.dir.Path); in && common != nil {
			g.protect(g.dir, &g.Inside, filepath.Join(rel, name))
		}
	}
	if common == nil {
		common = git
	}
	if rel, in := below(common.Path, g.dir.Path); in && rel != "." && g.isGitDir(common) {
		g.guardGitDir(&gitDir{Handle: common, base: g.dir, to: &g.Inside, rel: rel, top: top})
	}
}

// common is the repository that a linked work tree's git directory is a part of, and the directory's name there.
func (g *Guard) common(git *handle.Handle) (*handle.Handle, string) {
	data, err := g.read(git, "commondir")
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
	if in, err := g.beneath(common, filepath.Join("worktrees", name)); err == nil && in.ID == git.ID {
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
	return hasName(h, "HEAD") && (hasName(h, "objects") && hasName(h, "refs") || hasName(h, "commondir"))
}

// mayBeGitDir says whether a directory is a repository or could be made one by giving back a name that a command has taken
// away for a while. What is protected of one, config and hooks, it could not take away.
func mayBeGitDir(h *handle.Handle) bool {
	if isGitDir(h) {
		return true
	}
	data, err := readBelow(h, "config")
	if err != nil {
		return hasName(h, "hooks") && hasName(h, "objects") && hasName(h, "refs")
	}
	vars, _ := parseConfig(data)
	for _, v := range vars {
		if v.name() == "core.repositoryformatversion" || v.name() == "core.bare" {
			return true
		}
	}
	return false
}

func hasName(h *handle.Handle, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(h.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}
