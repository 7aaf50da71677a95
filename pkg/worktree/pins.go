package worktree

import (
	"path/filepath"
	"sandbox/pkg/handle"
)

// pin makes a directory a mount point, with those on the way to it.
func (g *Guard) pin(dir *handle.Handle, to *[]Part, rel string) bool {
	if rel == "." || rel == "" || covered(*to, rel, false) {
		return true
	}
	h, err := g.beneath(dir, rel)
	if err != nil {
		return false
	}
	g.pinParents(dir, to, rel)
	add(to, Part{h, rel, false})
	return true
}

func (g *Guard) pinParents(dir *handle.Handle, to *[]Part, rel string) {
	if up := filepath.Dir(rel); up != "." {
		g.pin(dir, to, up)
	}
}

// add keeps the parts in an order in which each can be mounted: what contains another comes first.
func add(to *[]Part, p Part) {
	for i, have := range *to {
		if have.Rel == p.Rel {
			if p.ReadOnly {
				(*to)[i].ReadOnly = true
			}
			p.Close()
			return
		}
	}
	*to = append(*to, p)
}

// covered says whether a path lies in a part that is read-only as a whole, or where that is not asked for, is one itself.
func covered(parts []Part, rel string, readOnly bool) bool {
	for _, p := range parts {
		if p.Rel == rel && (p.ReadOnly || !readOnly) || p.ReadOnly && len(rel) > len(p.Rel) && rel[len(p.Rel)] == '/' && rel[:len(p.Rel)] == p.Rel {
			return true
		}
	}
	return false
}
