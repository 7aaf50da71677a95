package worktree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/printable"
)

// aside is put behind the name of what is moved.
const aside = ".moved-by-sandbox"

// Bounds of the look at the end.
const (
	mostDirs = 200_000
	patience = 3 * time.Second
)

// Close lets go of what the guard holds open.
func (g *Guard) Close() {
	if g == nil {
		return
	}
	g.watched.close()
	defer g.dir.Close()
	closeAgain(g.opened)
	for _, o := range g.opened {
		o.dir.Close()
	}
	g.opened = nil
	for _, h := range g.bases {
		h.Close()
	}
}

// Check looks, when the command has ended, at what is there now and was not at the start, moves it aside, and returns a
// line about each. Nothing of it is believed: names are looked up in directories that were opened at the start.
func (g *Guard) Check() (told []string) {
	if g == nil || g.ask.None {
		return nil
	}
	defer g.openAll()()
	names := map[string]bool{}
	entries, err := list(g.dir, make([]byte, 4<<10))
	for _, e := range entries {
		names[e.name] = true
	}
	for _, m := range g.missing {
		if err == nil && m.dir == g.dir && !names[m.name] {
			continue
		}
		switch _, err := g.statx(m.dir, m.name); {
		case errors.Is(err, unix.EACCES):
			if m.dir.UID == uint32(os.Geteuid()) { // else the command could not look either
				told = append(told, Quote(m.path)+" cannot be looked at: do so before you go on")
			}
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			told = append(told, moved(m, "was not there before, and acts for you outside"))
		}
	}
	for _, l := range g.links {
		target, err := readlink(l.dir.FD, l.name)
		if errors.Is(err, unix.ENOENT) || err == nil && target == l.target {
			continue
		}
		told = append(told, moved(l.missing, "was a link to "+Quote(l.target)+" before"))
	}
	told = append(told, g.checkAbsent()...)
	told = append(told, g.checkFixed()...)
	told = append(told, g.checkPath()...)
	if err != nil || len(told) > 0 {
		entries = nil // something has another name by now
	}
	told = append(told, g.checkNested(entries)...)
	return append(told, g.watched.tell(g)...)
}

// move renames a file out of the way, within its directory, and says so. to is its name then, "" for one that could not be moved.
func move(m missing, why string) (told, to string) {
	opened := false
	for n := 0; ; n++ {
		name := m.name + aside
		switch {
		case n > 2: // somebody makes the names beforehand
			name = fmt.Sprintf("%s-%x", name, rand.Uint64())
		case n > 0:
			name = fmt.Sprintf("%s-%d", name, n)
		}
		err := unix.Renameat2(m.dir.FD, m.name, m.dir.FD, name, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return fmt.Sprintf("%s %s: it is %s now; --no-protect=%s leaves it", Quote(m.path), why, Quote(filepath.Join(filepath.Dir(m.path), name)), Quote(m.path)), name
		case errors.Is(err, unix.EEXIST) && n < 100:
			continue
		case errors.Is(err, unix.EACCES) && !opened && openUp(m.dir):
			opened = true
			continue
		}
		return fmt.Sprintf("%s %s, and cannot be moved aside: %v: look at it before you go on", Quote(m.path), why, err), ""
	}
}

// moved is what is told of a move.
func moved(m missing, why string) string {
	told, _ := move(m, why)
	return told
}

// openUp gives a directory of ours the rights of its owner, which a command has taken from it to hide what is there.
func openUp(dir *handle.Handle) bool {
	var st unix.Stat_t
	if unix.Fstat(dir.FD, &st) != nil || st.Mode&0o700 == 0o700 {
		return false
	}
	return unix.Fchmodat(unix.AT_FDCWD, dir.Name(), st.Mode&0o7777|0o700, 0) == nil // fchmod(2) refuses O_PATH
}

// Quote is a path as a shell takes it: it is in a line that somebody may paste, and somebody else has chosen it.
func Quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./-+,:@%=", r)
	}
	if strings.TrimFunc(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(printable.Text(path), "'", `'\''`) + "'"
}
