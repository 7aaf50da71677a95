package spec

import (
	"path/filepath"
	"slices"
	"strconv"
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
	files  []worktree.OwnConfig // all that git reads, for what must not change
}

// ownGitConfig reads the caller's files as git does, the later one wins (git-config(1), "FILES"). The files themselves are
// never shown: they hold tokens, and programs to run.
func (b *builder) ownGitConfig() (own gitConfig) {
	own.files = b.gitConfigs()
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
		data, err := readBelowHome(dir, name)
		if err != nil {
			continue
		}
		texts = append(texts, data)
		for i := range own.files {
			if own.files[i].Path == filepath.Join(own.home, name) {
				own.files[i].Data = append([]byte{}, data...) // not nil, which would be read
			}
		}
	}
	safe := worktree.Safe(texts)
	own.config = safe.Config
	ignore := usualIgnore
	if safe.Ignore != "" {
		ignore = safe.Ignore
	}
	own.ignore, _ = readWhole(dir, ignore)
	return own
}

// memory is where it is kept what was not looked at when a command had ended: in a home that is the caller's own, which under
// sudo $HOME need not be.
func (b *builder) memory() string {
	for _, home := range b.everybody().own {
		if home.UID == b.caller.UID {
			return filepath.Join(home.Path, worktree.Doubts)
		}
	}
	return ""
}

// gitConfigs are the files that git reads wherever it is called, in its order, and what it takes from the environment. The
// usual ones are among them where variables name others, for those may be set in this shell only.
func (b *builder) gitConfigs() (files []worktree.OwnConfig) {
	env := map[string]string{}
	for _, e := range b.caller.Env {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "GIT_CONFIG_") || name == "XDG_CONFIG_HOME" {
			env[name] = value
		}
	}
	add := func(path string) {
		same := func(f worktree.OwnConfig) bool { return f.Path == path }
		if filepath.IsAbs(path) && !slices.ContainsFunc(files, same) {
			files = append(files, worktree.OwnConfig{Path: path})
		}
	}
	add(b.onHost("/etc/gitconfig"))
	add(env["GIT_CONFIG_SYSTEM"])
	if dir := env["XDG_CONFIG_HOME"]; dir != "" {
		add(filepath.Join(dir, "git/config"))
	}
	if b.caller.Home != "" {
		add(filepath.Join(b.caller.Home, ".config/git/config"))
		add(filepath.Join(b.caller.Home, ".gitconfig"))
	}
	add(env["GIT_CONFIG_GLOBAL"])
	if n, _ := strconv.Atoi(env["GIT_CONFIG_COUNT"]); n > 0 {
		var data []byte
		for i := range min(n, 1000) {
			data = append(data, worktree.Variable(env["GIT_CONFIG_KEY_"+strconv.Itoa(i)], env["GIT_CONFIG_VALUE_"+strconv.Itoa(i)])...)
		}
		files = append(files, worktree.OwnConfig{Data: data})
	}
	return files
}

const usualIgnore = ".config/git/ignore"

// ignores are the usual places of that file, which may be a link to anywhere in the home: it must not become one.
func (b *builder) ignores() (list []string) {
	for _, home := range []string{b.caller.Home, b.caller.PasswdHome} {
		if filepath.IsAbs(home) {
			list = append(list, filepath.Join(home, usualIgnore))
		}
	}
	return list
}

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
