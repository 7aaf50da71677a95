package worktree

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// deeper tells of what a repository has git run that was changed, where the repository lies too deep for it to be guarded:
// hooks that are elsewhere or links, and programs that its configuration names. l is its work tree.
func (w *walk) deeper(l *level, git string) {
	top := &handle.Handle{FD: l.fd}
	dirs := []string{filepath.Join(git, "hooks")}
	var files []string
	data, _ := readBelow(top, filepath.Join(git, "config"))
	vars, _ := parseConfig(data)
	for _, v := range vars {
		switch {
		case v.section == "core" && v.key == "hookspath":
			dirs = append(dirs, w.g.home(v.value))
		case (v.section == "include" || v.section == "includeif") && v.key == "path":
			if file := w.g.home(v.value); !filepath.IsAbs(file) {
				files = append(files, filepath.Join(git, file))
			}
		case runs(v):
			for word := range strings.FieldsSeq(v.value) {
				if word = strings.Trim(word, `!"'`+"`;()&|<>"); strings.Contains(word, "/") {
					files = append(files, w.g.home(word))
				}
			}
		}
	}
	for _, dir := range dirs {
		files = append(files, w.filesIn(top, dir)...)
	}
	told := map[string]bool{}
	for _, file := range files {
		if shown := w.shownIn(l, file); shown != "" && !told[shown] && w.rewritten(top, file) && !w.excepted(shown) {
			told[shown] = true
			w.told = append(w.told, Quote(shown)+" was changed, and "+Quote(w.in(l, git))+" has git run it: look at it before you run git there")
		}
	}
}

// filesIn lists what lies in a directory, by paths from top.
func (w *walk) filesIn(top *handle.Handle, dir string) (files []string) {
	fd, err := top.OpenAt(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	entries, _ := listFD(fd, make([]byte, 4<<10))
	for _, e := range entries {
		files = append(files, filepath.Join(dir, e.name))
	}
	return files
}

// rewritten says whether a file, or what it is a link to, was changed.
func (w *walk) rewritten(top *handle.Handle, file string) bool {
	var st unix.Statx_t
	return w.anew(top, file) || unix.Statx(top.FD, file, 0, unix.STATX_CTIME, &st) == nil && w.during(st.Ctime)
}

// shownIn is a file of a work tree for people; "" for one that lies outside of what is shared.
func (w *walk) shownIn(l *level, file string) string {
	path := file
	if !filepath.IsAbs(file) {
		path = filepath.Join(w.g.dir.Path, w.in(l, file))
	}
	if rel, in := below(path, w.g.dir.Path); in {
		return rel
	}
	return ""
}
