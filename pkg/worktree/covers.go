package worktree

import (
	"path/filepath"
	"slices"
)

// Acts says whether something outside acts on files and directories of a name wherever they are.
func Acts(name string) bool { return name == ".git" || slices.Contains(usual, name) }

// Obeyed says whether something outside obeys a name in the shared directory, "" for the directory itself: it is protected,
// lies in what is, or, where all of it counts, something in it is.
func (g *Guard) Obeyed(rel string, all bool) bool {
	if g.InGit != "" {
		return true
	}
	if rel != "" {
		return covered(g.Inside, rel, true)
	}
	return all && slices.ContainsFunc(g.Inside, func(p Part) bool { return p.ReadOnly })
}

// Around are the parts of a directory in which the guarded one lies, at rel: what is protected there under that name too,
// and every directory on the way, which keeps its name.
func (g *Guard) Around(outer []Part, rel string) []Part {
	parts := outer
	for _, p := range g.Inside {
		if own, err := p.Dup(); err == nil {
			parts = append(parts, Part{own, filepath.Join(rel, p.Rel), p.ReadOnly})
		}
	}
	return parts
}

// Repositories are the git directories that are guarded, by their paths outside.
func (g *Guard) Repositories() (paths []string) {
	for _, d := range g.watched.dirs {
		paths = append(paths, d.Path)
	}
	return paths
}
