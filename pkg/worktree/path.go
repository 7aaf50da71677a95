package worktree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ours are programs that must not be others by the time that somebody types their names: they look after the rest.
var ours = []string{"sandbox", "git"}

// checkPath looks at programs in what is shared that are found by their names, for a directory of $PATH lies there (an
// environment of Python's that is active), and that came into being or were changed: ours are moved aside, and others told
// where they are found before a program outside.
func (g *Guard) checkPath() (told []string) {
	for i, dir := range g.ask.Path {
		rel, in := below(resolved(dir), g.now())
		if !in || slices.Contains(g.ask.Path[:i], dir) {
			continue
		}
		at, err := g.dir.Beneath(rel)
		if err != nil {
			continue
		}
		entries, _ := list(at, make([]byte, 4<<10))
		var others []string
		for _, e := range entries {
			path := filepath.Join(rel, e.name)
			switch {
			case e.kind == unix.DT_DIR || !g.anew(at, e.name) || g.excepted(filepath.Join(g.dir.Path, path)):
			case slices.Contains(ours, e.name):
				told = append(told, moved(missing{at, e.name, path}, "is new or was changed, and $PATH has it run in place of the real one"))
			default:
				if other := g.elsewhere(i+1, e.name); other != "" {
					others = append(others, Quote(e.name)+" ("+other+")")
				}
			}
		}
		at.Close()
		if len(others) > 0 {
			told = append(told, fmt.Sprintf("new or changed programs in %s run in place of others, for it is in $PATH: %s: look at them before you type their names", Quote(rel), Some(others)))
		}
	}
	return told
}

// elsewhere is where a program is found in a later directory of $PATH that is not shared, "" for nowhere.
func (g *Guard) elsewhere(from int, name string) string {
	for _, dir := range g.ask.Path[min(from, len(g.ask.Path)):] {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
			continue
		}
		if _, in := below(resolved(dir), g.now()); !in {
			return Quote(path)
		}
	}
	return ""
}

// resolved is a directory by its own name.
func resolved(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// Some is a list of which the first few are enough.
func Some(list []string) string {
	const enough = 5
	if more := len(list) - enough; more > 0 {
		return strings.Join(list[:enough], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(list, ", ")
}
