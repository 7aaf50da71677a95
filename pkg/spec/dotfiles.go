package spec

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// obeyed are the directories below a home whose files run programs outside: a shell's, an editor's, a session's. In the home
// itself it is what begins with a dot.
var obeyed = []string{".", ".config", ".ssh", ".local/bin", "bin", ".config/systemd/user", ".config/autostart"}

// dotfiles are what links there lead to: many people keep such files in a repository, and work in it.
func (b *builder) dotfiles() (paths []string) {
	for _, home := range b.everybody().own {
		for _, name := range obeyed {
			if dir, err := home.Open(name); err == nil {
				paths = append(paths, linksIn(dir, name == ".")...)
				dir.Close()
			}
		}
	}
	return paths
}

// linksIn is where the links in a directory lead, absolute.
func linksIn(dir *handle.Handle, dots bool) (paths []string) {
	fd, err := dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), dir.Path)
	defer f.Close()
	entries, _ := f.ReadDir(-1)
	for _, e := range entries {
		if e.Type() != os.ModeSymlink || dots && !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if target := targetOf(dir, e.Name()); target != "" {
			paths = append(paths, target)
		}
	}
	return paths
}

// targetOf is where a link in a directory leads, absolute; "" for nowhere.
func targetOf(dir *handle.Handle, name string) string {
	link, err := dir.Link(name)
	if err != nil {
		return ""
	}
	defer link.Close()
	target, err := link.Target()
	switch {
	case err != nil:
		return ""
	case filepath.IsAbs(target):
		return filepath.Clean(target)
	}
	return filepath.Join(dir.Path, target)
}

// path are the directories of $PATH.
func (b *builder) path() (dirs []string) {
	if path := last(b.caller.Env, "PATH"); path != "" {
		for _, dir := range filepath.SplitList(path) {
			dirs = append(dirs, b.abs(dir))
		}
	}
	return dirs
}
