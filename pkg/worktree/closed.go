package worktree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// beneath is [handle.Handle.Beneath] for what is looked at when a command begins.
func (g *Guard) beneath(dir *handle.Handle, rel string) (*handle.Handle, error) {
	h, err := dir.Beneath(rel)
	g.note(err, dir, rel)
	return h, err
}

// read is readBelow, then.
func (g *Guard) read(dir *handle.Handle, rel string) ([]byte, error) {
	data, err := readBelow(dir, rel)
	g.note(err, dir, rel)
	return data, err
}

// list is list, then.
func (g *Guard) list(dir *handle.Handle) ([]entry, error) {
	entries, err := list(dir, make([]byte, 4<<10))
	g.note(err, dir, ".")
	return entries, err
}

// has says whether there is something of a name, a link too.
func (g *Guard) has(dir *handle.Handle, rel string, st *unix.Stat_t) bool {
	err := unix.Fstatat(dir.FD, rel, st, unix.AT_SYMLINK_NOFOLLOW)
	g.note(err, dir, rel)
	return err == nil
}

// isGitDir is isGitDir, then.
func (g *Guard) isGitDir(dir *handle.Handle) bool {
	var st unix.Stat_t
	g.has(dir, "HEAD", &st) // whether one can look
	return mayBeGitDir(dir)
}

// note remembers that a look failed because something is closed to the caller who owns it, were it only for a moment. What
// others have closed, the command cannot open.
func (g *Guard) note(err error, dir *handle.Handle, rel string) {
	path := filepath.Join(dir.Path, rel)
	if !errors.Is(err, unix.EACCES) || g.excepted(path) {
		return
	}
	own, at := uint32(os.Geteuid()), dir
	defer func() {
		if at != dir {
			at.Close()
		}
	}()
	for name := range strings.SplitSeq(filepath.Clean(rel), "/") {
		next, err := at.Link(name)
		if err != nil {
			if errors.Is(err, unix.EACCES) && at.UID != own {
				return
			}
			path = at.Path
			break
		}
		if at != dir {
			at.Close()
		}
		at = next
	}
	if at.UID == own || at.Kind() == unix.S_IFLNK {
		g.Closed = path
	}
}

// Drop lets go of a guard of which nothing was mounted.
func (g *Guard) Drop() {
	parts := g.Inside
	for _, d := range g.GitDirs {
		parts = append(parts, d.Parts...)
		d.Close()
	}
	for _, p := range parts {
		p.Close()
	}
	g.Close()
}

// opened is a directory that was closed to its owner, and how.
type opened struct {
	dir  *handle.Handle
	mode uint32
}

func closeAgain(list []opened) {
	for _, o := range list {
		_ = unix.Fchmodat(unix.AT_FDCWD, o.dir.Name(), o.mode, 0)
	}
}

// openAll gives the directories that the end is judged by the rights of their owner, and returns what takes them away again.
func (g *Guard) openAll() (back func()) {
	var list []opened
	last := -1
	open := func(dir *handle.Handle) {
		if dir.FD == last {
			return
		}
		last = dir.FD
		var st unix.Stat_t
		if unix.Fstat(dir.FD, &st) == nil && openUp(dir) {
			list = append(list, opened{dir, st.Mode & 0o7777})
		}
	}
	open(g.dir)
	for _, d := range g.watched.dirs {
		open(d)
	}
	for _, m := range g.missing {
		open(m.dir)
	}
	for _, l := range g.links {
		open(l.dir)
	}
	for _, f := range g.fixed {
		open(f.base)
	}
	return func() { closeAgain(list) }
}
