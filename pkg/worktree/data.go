package worktree

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// mostRef is more than any reference has, in bytes.
const mostRef = 4 << 10

// data decides about a file in a git directory that git outside acts by, and that was written since, or lies in a directory
// that was moved since: what git itself would never write there, it does not check when it reads it.
func (w *walk) data(l *level, name string) {
	top := l.at == gitTop || l.at == movedAside
	lower := strings.ToLower(name) // some file systems do not tell them apart
	if l.at == inGit || l.at == inModules || l.at == inObjects && !strings.HasPrefix(lower, "multi-pack-index") {
		return // nothing of the kind; there are many objects
	}
	st, ok := w.young(l, name)
	if !ok || w.tooLate() {
		return
	}
	switch {
	case top && (lower == "index" || strings.HasPrefix(lower, "sharedindex.")):
		w.index(l, name, id(&st))
	case top && lower == "merge_rr" && !w.resolutions(l, name):
		w.aside(l, name, "was written, and git outside would read and write what it names")
	case l.at == inObjects:
		w.takeAway(l, name, "was written, and git outside deletes what it names; git makes it anew")
	case l.at == inRefs || top && pseudoRef(lower):
		w.reference(l, name)
	case l.at == aWorktree && lower == "gitdir":
		w.backLink(l, name)
	}
}

// resolutions says whether what rerere is to record (git-rerere(1)) are files of the work tree: an object's name, a tab and a
// path each, with a NUL behind.
func (w *walk) resolutions(l *level, name string) bool {
	data, err := readBelow(&handle.Handle{FD: l.fd}, name)
	if err != nil {
		return false
	}
	for record := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
		_, path, ok := strings.Cut(record, "\t")
		if record == "" {
			continue
		}
		n := len(w.way)
		if !ok || n == 0 || l.name != ".git" || w.way[n-1].fd < 0 || refused(path, false) || path == "" {
			return false
		}
		if !plainFile(&handle.Handle{FD: w.way[n-1].fd}, path) {
			return false
		}
	}
	return true
}

// plainFile says whether a path is that of a file, or of nothing, behind no link.
func plainFile(dir *handle.Handle, path string) bool {
	file, err := dir.Beneath(path)
	if err != nil {
		return errors.Is(err, unix.ENOENT)
	}
	defer file.Close()
	return file.Kind() == unix.S_IFREG
}

// young says whether a file was changed since then, or came with a directory that was moved.
func (w *walk) young(l *level, name string) (st unix.Statx_t, ok bool) {
	err := unix.Statx(l.fd, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return st, err == nil && (l.fresh || w.during(st.Ctime))
}

// tooLate ends the walk where it has taken as long as it may.
func (w *walk) tooLate() bool {
	if time.Now().After(w.until) {
		w.over, w.full = true, true
	}
	return w.full
}

// aside moves a file aside, unless it is one that may change.
func (w *walk) aside(l *level, name, why string) {
	if path := w.in(l, name); !w.excepted(path) {
		w.told = append(w.told, moved(missing{&handle.Handle{FD: l.fd}, name, path}, why))
	}
}

// takeAway removes a file that git would follow under another name as well, or makes anew.
func (w *walk) takeAway(l *level, name, why string) {
	path := w.in(l, name)
	if w.excepted(path) {
		return
	}
	if err := unlink(l.fd, name); err != nil {
		w.told = append(w.told, fmt.Sprintf("%s %s; it cannot be removed: %v: do so before you run git there", Quote(path), why, err))
		return
	}
	w.told = append(w.told, fmt.Sprintf("%s %s: it is removed; --no-protect=%[1]s leaves it", Quote(path), why))
}

func unlink(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if errors.Is(err, unix.EACCES) && openUp(&handle.Handle{FD: dir}) {
		err = unix.Unlinkat(dir, name, 0)
	}
	return err
}

// pseudoRef says whether a file in a git directory is read and written as a reference (gitglossary(7), "pseudoref"); others
// hold messages.
func pseudoRef(lower string) bool {
	return strings.HasSuffix(lower, "head") || slices.Contains([]string{"auto_merge", "merge_autostash", "notes_merge_partial", "notes_merge_ref", "bisect_expected_rev"}, lower)
}

// reference decides about one: git outside would write what it leads to as if that were a branch.
func (w *walk) reference(l *level, name string) {
	to, bad := leadsAstray(&handle.Handle{FD: l.fd}, name)
	why := "leads to " + Quote(to) + ", which git outside would write as if it were a branch"
	switch {
	case bad && name == "HEAD": // without which there is no repository
		w.aside(l, name, why)
	case bad:
		w.takeAway(l, name, why)
	}
}

// leadsAstray says whether a reference is one to something else than a reference (gitrepository-layout(5), "HEAD"): git
// would write that file, whatever it is to git.
func leadsAstray(dir *handle.Handle, name string) (to string, bad bool) {
	const how = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := unix.Openat(dir.FD, name, how|unix.O_NONBLOCK, 0)
	if err == unix.EAGAIN { // somebody has a lease on the file, see readUpTo; to open a FIFO is never that
		fd, err = unix.Openat(dir.FD, name, how, 0)
	}
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	var data [mostRef]byte
	n, _ := unix.Pread(fd, data[:], 0) // a file gives all that it has
	rest, symbolic := bytes.CutPrefix(data[:max(0, n)], []byte("ref:"))
	to = strings.TrimSpace(string(rest))
	return to, symbolic && !isRef(to)
}

// isRef says whether a name is that of a reference, as git checks it when it makes one (git-check-ref-format(1)).
func isRef(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || parts[0] != "refs" {
		return false
	}
	for _, part := range parts {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	return !strings.Contains(name, "..") && !strings.Contains(name, "@{") && !strings.HasSuffix(name, ".") && strings.IndexFunc(name, bad) < 0
}

// foreignRefs are lines that name references which are none, beside lines of object names.
func foreignRefs(data []byte) (list []string) {
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if strings.Trim(line, "0123456789abcdef") != "" && !isRef(line) {
			list = append(list, line)
		}
	}
	return list
}

// foreignHead is the name of what a rebase goes back to that is no branch.
func foreignHead(data []byte) []string {
	if name := strings.TrimRight(string(data), "\r\n"); name != "detached HEAD" && !isRef(name) {
		return []string{name}
	}
	return nil
}

// applyWords are the options that git-am(1) hands on to git-apply(1) and that name no other file.
var applyWords = []string{"-C", "-p", "--whitespace=", "--ignore-space-change", "--ignore-whitespace", "--exclude=", "--include=", "--reject"}

// foreignApply are options of git-apply that git-am would not have written down.
func foreignApply(data []byte) (list []string) {
	for word := range strings.FieldsSeq(string(data)) {
		word = strings.Trim(word, "'")
		known := false
		for _, w := range applyWords {
			known = known || strings.HasPrefix(word, w)
		}
		if word != "" && !known {
			list = append(list, word)
		}
	}
	return list
}

// backLink decides about where the directory of a linked work tree that nobody knew says that the work tree is: git outside
// would write there (git worktree repair).
func (w *walk) backLink(l *level, name string) {
	if _, known := w.g.known[l.id]; known {
		return
	}
	dir := &handle.Handle{FD: l.fd}
	data, err := readUpTo(dir, name, mostRef, noLinks)
	path := strings.TrimSuffix(string(data), "\n")
	if _, in := below(path, w.g.now()); err != nil || !in || filepath.Clean(path) != path || filepath.Base(path) != ".git" || !w.ownWorktree(dir) {
		w.aside(l, name, "leads git outside elsewhere")
	}
}
