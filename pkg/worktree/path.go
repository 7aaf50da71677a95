package worktree

import (
	"fmt"
	"os"
	"path/filepath"
	"sandbox/pkg/handle"
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
		at, rel := g.onPath(dir)
		was := g.path[dir] != handle.ID{}
		if at == nil && was {
			told = append(told, Quote(dir)+", which is in $PATH, is gone or leads elsewhere: look at it before you type the name of a program")
		}
		if at == nil {
			continue
		}
		moved, others := g.checkPrograms(at, rel, i+1, g.path[dir] != at.ID)
		at.Close()
		if told = append(told, moved...); len(others) > 0 {
			told = append(told, fmt.Sprintf("new or changed programs in %s run in place of others, for it is in $PATH: %s: look at them before you type their names", Quote(rel), Some(others)))
		}
	}
	return told
}

// onPath is a directory of $PATH that is shared, nil for another.
func (g *Guard) onPath(dir string) (at *handle.Handle, rel string) {
	rel, in := below(resolved(dir), g.now())
	if !in {
		return nil, ""
	}
	at, err := g.dir.Beneath(rel)
	if err != nil {
		return nil, ""
	}
	return at, rel
}

// notePath remembers which directories those are.
func (g *Guard) notePath() {
	g.path = map[string]handle.ID{}
	for _, dir := range g.ask.Path {
		if at, _ := g.onPath(dir); at != nil {
			g.path[dir] = at.ID
			at.Close()
		}
	}
}

// checkPrograms is that for one directory, at rel, which may be another one than at the start; from counts the later ones of
// $PATH.
func (g *Guard) checkPrograms(at *handle.Handle, rel string, from int, other bool) (told, others []string) {
	openUp(at)
	entries, err := list(at, make([]byte, 4<<10))
	if err != nil {
		told = append(told, Quote(rel)+", which is in $PATH, cannot be looked at: do so before you type the name of a program")
	}
	for _, e := range entries {
		path := filepath.Join(rel, e.name)
		switch {
		case e.kind == unix.DT_DIR || !other && !g.programAnew(at, e.name) || g.excepted(filepath.Join(g.dir.Path, path)):
		case slices.Contains(ours, e.name):
			told = append(told, moved(missing{at, e.name, path}, "is new or was changed, and $PATH has it run in place of the real one"))
		default:
			if real := g.elsewhere(from, at, e.name); real != "" {
				others = append(others, Quote(e.name)+" ("+real+")")
			}
		}
	}
	return told, others
}

// programAnew says whether a program, or what a link leads to, was changed since.
func (g *Guard) programAnew(at *handle.Handle, name string) bool {
	var st unix.Statx_t
	return g.anew(at, name) || unix.Statx(at.FD, name, 0, unix.STATX_CTIME, &st) == nil && g.during(st.Ctime)
}

// elsewhere is where a program is found in a later directory of $PATH that is not shared, "" for nowhere.
func (g *Guard) elsewhere(from int, at *handle.Handle, name string) string {
	here, _ := os.Stat(filepath.Join(at.Name(), name))
	for _, dir := range g.ask.Path[min(from, len(g.ask.Path)):] {
		path := filepath.Join(dir, name)
		st, err := os.Stat(path)
		if err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
			continue
		}
		if here != nil && os.SameFile(here, st) {
			return "" // a link to that very one
		}
		if _, in := below(resolved(dir), g.now()); !in {
			return Quote(path)
		}
	}
	return ""
}

// resolved is a directory by its own name.
func resolved(dir string) string {
	for _, system := range []string{"/usr", "/bin", "/sbin"} {
		if dir == system || strings.HasPrefix(dir, system+"/") {
			return dir // none of which is a link of anybody's
		}
	}
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
