package spec

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/worktree"
)

// gitConfig is what of the caller's own git configuration a command may know, and needs to: who commits, how lines end.
type gitConfig struct {
	home   string
	config []byte
	ignore []byte
	hooks  string // core.hooksPath
}

// ownGitConfig reads the caller's files as git does, the later one wins (git-config(1), "FILES"). The files themselves are
// never shown: they hold tokens, and programs to run.
func (b *builder) ownGitConfig() (own gitConfig) {
	for _, h := range b.homes.covers {
		if h.home && (own.home == "" || h.path == b.caller.Home) {
			own.home = h.path
		}
	}
	if own.home == "" {
		return own
	}
	dir, err := b.open(own.home)
	if err != nil {
		return own
	}
	defer dir.Close()
	var texts [][]byte
	for _, name := range []string{".config/git/config", ".gitconfig"} {
		if data, err := readBelowHome(dir, name); err == nil {
			texts = append(texts, data)
		}
	}
	safe := worktree.Safe(texts)
	own.config, own.hooks = safe.Config, safe.Hooks
	ignore := usualIgnore
	if safe.Ignore != "" {
		ignore = safe.Ignore
	}
	own.ignore, _ = readWhole(dir, ignore)
	return own
}

const usualIgnore = ".config/git/ignore"

// readWhole reads a file of which all is shown. The usual one, in its usual place, may be a link, as of those who keep such
// files together; that must not lead on through another one, which a command may have left where they are kept.
func readWhole(home *handle.Handle, name string) ([]byte, error) {
	dir, err := home.Beneath(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	base := filepath.Base(name)
	link, err := dir.Link(base)
	if err != nil {
		return nil, err
	}
	defer link.Close()
	from := dir
	if link.Kind() == unix.S_IFLNK {
		if name != usualIgnore {
			return nil, unix.ELOOP
		}
		if base, err = link.Target(); err != nil {
			return nil, err
		}
		if !filepath.IsAbs(base) {
			base = filepath.Join(dir.Now(), base)
		}
		if !under(base, home.Now()) {
			return nil, unix.EXDEV
		}
		from, base = home, strings.TrimPrefix(strings.TrimPrefix(filepath.Clean(base), home.Now()), "/")
	}
	fd, err := from.OpenAt(base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readOpen(fd, name, maxRegular, false)
}

// readBelowHome reads a file of the caller's, who may keep it behind a link to another place in their home.
func readBelowHome(dir *handle.Handle, name string) ([]byte, error) {
	fd, err := dir.OpenAt(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readOpen(fd, name, maxRegular, false)
}

// gitFiles puts them into the empty home, where the command may change them for itself.
func (b *builder) gitFiles(own gitConfig) {
	if b.caller.Made == nil || own.home == "" {
		return
	}
	for _, f := range []File{{".gitconfig", own.config}, {".config/git/ignore", own.ignore}} {
		f.Path = filepath.Join(own.home, f.Path)
		if len(f.Data) > 0 && b.shownBy(f.Path) == "tmpfs" && mountOn(b.theirs, f.Path) < 0 {
			b.caller.Made.Files = append(b.caller.Made.Files, f)
		}
	}
}
