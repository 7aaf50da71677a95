package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
	"sandbox/pkg/worktree"
)

// typed opens a path that the caller typed, once: what is decided about it here, the start uses.
//
// A link that somebody other than root can have put on the way is followed only while it stays in the directory it
// lies in: a command that ran here before, and could write there, may have left `rootfs -> ~/.ssh` for the next
// start to share. What lies directly in the caller's home is the caller's own, for the home itself is never shared.
func (b *builder) typed(path string) (*handle.Handle, error) {
	if b.caller.Cwd == "" && !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s: the working directory is gone, where it begins: %w", path, unix.ENOENT)
	}
	abs := b.abs(path)
	if h := b.paths[abs]; h != nil {
		return h, nil
	}
	h, linked, err := b.openTyped(abs)
	if errors.Is(err, unix.EXDEV) {
		return nil, b.leadsOut(abs)
	}
	if err != nil {
		return nil, err
	}
	if b.led(abs, h) || linked && b.obeyed(h) {
		h.Close()
		return nil, b.leadsOut(abs)
	}
	return b.paths.Add(abs, h), nil
}

// mostLinks is the kernel's own bound of links on one way (path_resolution(7)).
const mostLinks = 40

// openTyped goes the way step by step, through what it has open, and through links as the kernel would. From the first
// directory on in which somebody other than root may have put what lies there, no link leads out of the directory that it
// lies in, were it a link of the caller's own that led there. The kernel's own links, /dev/fd among them, are no files of
// anybody's.
//
// linked says that it went through such a link, within that directory.
func (b *builder) openTyped(abs string) (h *handle.Handle, linked bool, err error) {
	if under(abs, "/dev") && !under(abs, "/dev/shm") || under(abs, "/proc") {
		h, err = b.open(abs)
		return h, false, err
	}
	start, left := func() (*handle.Handle, error) { return b.open("/") }, strings.Split(strings.Trim(abs, "/"), "/")
	if cwd := b.caller.Cwd; cwd != "" && cwd != "/" && abs != cwd && under(abs, cwd) && b.caller.Dir != nil {
		rest := strings.TrimPrefix(abs, cwd+"/")
		if !b.isHome(b.caller.Dir.ID) {
			h, err := b.caller.Dir.Inside(rest)
			return h, err == nil && h.Now() != filepath.Join(b.caller.Dir.Now(), rest), err
		}
		start, left = func() (*handle.Handle, error) { return b.caller.Dir.Open(".") }, strings.Split(rest, "/")
	}
	at, err := start()
	defer func() {
		if h != at {
			at.Close()
		}
		if h != nil {
			h.Path = abs
		}
	}()
	foreign := false
	for links := 0; err == nil && len(left) > 0; {
		name, rest := left[0], strings.Join(left, "/")
		var st unix.Stat_t
		if err := unix.Fstat(at.FD, &st); err != nil {
			return nil, false, err
		}
		switch {
		case name == "" || name == ".":
			left = left[1:]
			continue
		case kernelFS(at.FD):
			h, err := at.Open(rest)
			return h, linked, err
		}
		if foreign = foreign || b.foreign(at.Path, &st); foreign && name == ".." {
			return nil, false, unix.EXDEV
		}
		var next *handle.Handle
		if next, err = handle.At(at.FD, name, filepath.Join(at.Path, name)); err != nil {
			break
		}
		left = left[1:]
		switch link := next.Kind() == unix.S_IFLNK; {
		case link && foreign:
			next.Close()
			next, err = at.Inside(name)
			linked = true
		case link:
			var target string
			target, err = next.Target()
			next.Close()
			if links++; err == nil && links > mostLinks {
				err = unix.ELOOP
			}
			left = append(strings.Split(target, "/"), left...)
			if err != nil || !filepath.IsAbs(target) {
				continue
			}
			next, err = b.open("/")
		}
		if err == nil {
			at.Close()
			at = next
		}
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return nil, false, &os.PathError{Op: "open", Path: abs, Err: errno}
	}
	return at, linked, err
}

// obeyed says whether what a link leads to is something that git or an editor outside obeys: a command may have put
// `data -> .git/hooks` there for the next `-v ./data:/mnt` to share, where a guard protects what it finds at its own path.
// In the host's tree the repositories of a directory that is shared are guarded under every name.
func (b *builder) obeyed(h *handle.Handle) bool {
	now := h.Now()
	if contains(b.wish.NoProtect, "all") {
		return false
	}
	if now == "" || slices.ContainsFunc(strings.Split(now, "/"), worktree.Acts) {
		return true
	}
	at, name := now, ""
	if !h.IsDir() {
		at, name = filepath.Split(now)
	}
	dir, err := handle.Open(filepath.Clean(at))
	if err != nil || name == "" && dir.ID != h.ID {
		return true // somebody has moved it
	}
	defer dir.Close()
	b.everybody()
	g := worktree.Find(dir, worktree.Ask{Hooks: b.ownGitConfig().hooks, Home: b.caller.Home})
	defer g.Drop()
	return g.Obeyed(name, !b.wish.Tree)
}

// open opens a path of the host and keeps the name that it has there.
func (b *builder) open(path string) (*handle.Handle, error) {
	h, err := handle.Open(b.onHost(path))
	if err == nil {
		h.Path = path
	}
	return h, err
}

// foreign says whether a command may have put something into a directory: it is not root's, or others can write there;
// and what root has started was root, so that only those of the system's own directories are nobody else's then in which a
// command would have had the whole host anyway.
func (b *builder) foreign(dir string, st *unix.Stat_t) bool {
	switch {
	case b.isHome(handle.ID{Dev: st.Dev, Ino: st.Ino}):
		return false
	case st.Uid != 0 && !b.isNobody(st.Uid) || st.Mode&0o022 != 0:
		return true
	}
	return b.caller.UID == 0 && (!isSystem(dir) || oneOf(dir, "/opt /srv /mnt /media /usr/local /var/log /var/cache"))
}

// isNobody says whether an id stands for all that have no number in this user namespace, root of the host among them: no
// command of the caller's has had it.
func (b *builder) isNobody(uid uint32) bool {
	const overflow = 65534 // user_namespaces(7)
	if uid != overflow {
		return false
	}
	m := proc.ReadIDMap("/proc/self/uid_map")
	return m != nil && !m.Has(overflow)
}

// isHome says whether a directory is the caller's home.
func (b *builder) isHome(id handle.ID) bool {
	for _, home := range []string{b.caller.Home, b.caller.PasswdHome} {
		if dir := b.dir(home); dir != nil && dir.ID == id {
			return true
		}
	}
	return false
}

func (b *builder) leadsOut(abs string) error {
	real, err := filepath.EvalSymlinks(b.onHost(abs))
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is %s behind a link, which a command that ran here before may have put there: if that is meant, write %[2]s", worktree.Quote(abs), worktree.Quote(b.offHost(real)))
}
