package worktree

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// findBinary protects this program where it lies in the shared directory: the next start runs it outside. A command that
// runs already may exchange the directories above it while they are looked at; Moving says that it goes on doing so.
func (g *Guard) findBinary() {
	b := g.ask.Binary
	if b == nil {
		return
	}
	for range 100 {
		now, top := b.Now(), g.dir.Now()
		rel, in := below(now, top)
		switch {
		case now == "":
			var st unix.Stat_t
			if unix.Fstat(b.FD, &st) == nil && st.Nlink == 0 {
				return // it was removed
			}
			continue
		case !in || rel == ".":
			if g.outside(b, now) {
				return
			}
			continue
		}
		if h, err := g.beneath(g.dir, rel); err == nil && h.ID == b.ID {
			g.fix(g.dir, &g.Inside, rel, h)
			return
		} else if err == nil {
			h.Close()
		}
	}
	g.Moving = b.Path
}

// outside says whether a file, by its path now, lies in no directory of the shared one.
func (g *Guard) outside(file *handle.Handle, path string) bool {
	at, err := handle.Open(filepath.Dir(path))
	if err != nil {
		return false
	}
	defer func() { at.Close() }()
	same, err := at.Beneath(filepath.Base(path))
	if err != nil {
		return false
	}
	same.Close()
	if same.ID != file.ID {
		return false
	}
	for at.ID != g.dir.ID {
		up, err := at.Open("..")
		if err != nil {
			return false
		}
		root := up.ID == at.ID && up.Mount() == at.Mount()
		at.Close()
		if at = up; root {
			return true
		}
	}
	return false
}
