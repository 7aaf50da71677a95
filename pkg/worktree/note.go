package worktree

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// Note is a guard written down, for whoever finds that its command has ended when the process that held it has gone: it
// was killed, or ran in the background.
type Note struct {
	Dir     Place      `json:"dir"`
	GitDirs []Place    `json:"gitDirs,omitempty"`
	Since   Moment     `json:"since"`
	Missing []string   `json:"missing,omitempty"`
	Links   []NoteLink `json:"links,omitempty"`
	Known   []Place    `json:"known,omitempty"`
	Except  []string   `json:"except,omitempty"`
}

// Moment is a time of the clock that file times are taken from.
type Moment struct {
	Sec  int64 `json:"sec"`
	Nsec int64 `json:"nsec"`
}

// Place is a file by name and by what it is. A name that leads to another file by now is not followed.
type Place struct {
	Path string `json:"path,omitempty"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	Not  bool   `json:"not,omitempty"` // of known: seen, and not guarded
}

// NoteLink is a symbolic link and what it said.
type NoteLink struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// Note writes the guard down; nil where there is nothing to compare.
func (g *Guard) Note() *Note {
	if g.ask.None {
		return nil
	}
	n := &Note{Dir: placeOf(g.dir), Since: Moment{g.since.Sec, g.since.Nsec}, Except: g.ask.Except}
	for _, d := range g.GitDirs {
		n.GitDirs = append(n.GitDirs, placeOf(d.Handle))
	}
	for _, m := range g.missing {
		n.Missing = append(n.Missing, filepath.Join(m.dir.Path, m.name))
	}
	for _, l := range g.links {
		n.Links = append(n.Links, NoteLink{filepath.Join(l.dir.Path, l.name), l.target})
	}
	for id, guarded := range g.known {
		n.Known = append(n.Known, Place{Dev: id.Dev, Ino: id.Ino, Not: !guarded})
	}
	return n
}

func placeOf(h *handle.Handle) Place { return Place{Path: h.Path, Dev: h.Dev, Ino: h.Ino} }

// open finds the place again.
func (p Place) open() (*handle.Handle, error) {
	h, err := handle.Open(p.Path)
	if err != nil {
		return nil, err
	}
	if h.ID != (handle.ID{Dev: p.Dev, Ino: p.Ino}) {
		h.Close()
		return nil, fmt.Errorf("%s is another directory by now: %w", p.Path, unix.ESTALE)
	}
	return h, nil
}

// Open is the guard of a note, to be checked and closed. Directories that are gone have nothing in them that could act.
func (n *Note) Open() (*Guard, error) {
	dir, err := n.Dir.open()
	if err != nil {
		return nil, err
	}
	g := &Guard{dir: dir, ask: Ask{Except: n.Except}, known: map[handle.ID]bool{}}
	g.since.Sec, g.since.Nsec = n.Since.Sec, n.Since.Nsec
	for _, k := range n.Known {
		g.known[handle.ID{Dev: k.Dev, Ino: k.Ino}] = !k.Not
	}
	bases := []*handle.Handle{dir}
	for _, p := range n.GitDirs {
		if h, err := p.open(); err == nil {
			defer h.Close()
			bases = append(bases, h)
		}
	}
	for _, path := range n.Missing {
		if m, ok := g.find(bases, path); ok {
			g.missing = append(g.missing, m)
		}
	}
	for _, l := range n.Links {
		if m, ok := g.find(bases, l.Path); ok {
			g.links = append(g.links, link{m, l.Target})
		}
	}
	return g, nil
}

func (g *Guard) find(bases []*handle.Handle, path string) (missing, bool) {
	for _, base := range bases {
		if rel, in := below(path, base.Path); in && rel != "." {
			dir, name, ok := g.parent(base, rel)
			return missing{dir, name, g.shown(base, rel)}, ok
		}
	}
	return missing{}, false
}
