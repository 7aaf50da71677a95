package spec

import (
	"cmp"
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
	w := &way{b: b, left: strings.Split(strings.Trim(abs, "/"), "/")}
	if cwd := b.caller.Cwd; cwd != "" && cwd != "/" && abs != cwd && under(abs, cwd) && b.caller.Dir != nil {
		rest := strings.TrimPrefix(abs, cwd+"/")
		if !b.isHome(b.caller.Dir.ID) {
			h, err := b.caller.Dir.Inside(rest)
			return h, err == nil && h.Now() != filepath.Join(b.caller.Dir.Now(), rest), err
		}
		w.left = strings.Split(rest, "/")
		w.at, err = b.caller.Dir.Open(".")
	} else {
		w.at, err = b.open("/")
	}
	for err == nil && len(w.left) > 0 {
		err = w.step()
	}
	if err != nil {
		if w.at != nil {
			w.at.Close()
		}
		var errno unix.Errno
		if errors.As(err, &errno) {
			err = &os.PathError{Op: "open", Path: abs, Err: errno}
		}
		return nil, false, err
	}
	w.at.Path = abs
	return w.at, w.linked, nil
}

// way is a path that is gone step by step.
type way struct {
	b       *builder
	at      *handle.Handle // how far it has come
	left    []string       // the names that are left
	links   int            // that were followed
	foreign bool           // a command may have put what lies here
	linked  bool           // a link was followed here
}

// step goes one name on, through a link to what it says.
func (w *way) step() error {
	name := w.left[0]
	var st unix.Stat_t
	if err := unix.Fstat(w.at.FD, &st); err != nil {
		return err
	}
	w.left = w.left[1:]
	switch {
	case name == "" || name == ".":
		return nil
	case kernelFS(w.at.FD):
		return w.kernels(name)
	}
	if w.foreign = w.foreign || w.b.foreign(w.at.Path, &st); w.foreign && name == ".." {
		return unix.EXDEV
	}
	next, err := handle.At(w.at.FD, name, filepath.Join(w.at.Path, name))
	if err != nil || next.Kind() != unix.S_IFLNK {
		return w.to(next, err)
	}
	defer next.Close()
	if w.foreign {
		w.linked = true
		return w.to(w.at.Inside(name))
	}
	target, err := next.Target()
	if w.links++; err == nil && w.links > mostLinks {
		err = unix.ELOOP
	}
	if err != nil {
		return err
	}
	w.left = append(strings.Split(target, "/"), w.left...)
	if filepath.IsAbs(target) {
		return w.to(w.b.open("/"))
	}
	return nil
}

// kernels goes one name on in a file system of the kernel's, in which links are nobody's: /proc/self/cwd leads to a directory
// that has a name of its own, and behind it are files as everywhere.
func (w *way) kernels(name string) error {
	next, err := w.at.Open(name)
	if err == nil && !kernelFS(next.FD) {
		if now := next.Now(); now != "" {
			next.Path = now
		}
	}
	return w.to(next, err)
}

// to is where the way is then.
func (w *way) to(next *handle.Handle, err error) error {
	if err == nil {
		w.at.Close()
		w.at = next
	}
	return err
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
	if err != nil {
		return true // somebody has moved it
	}
	defer dir.Close()
	there, err := dir.Beneath(cmp.Or(name, "."))
	if err != nil {
		return true
	}
	defer there.Close()
	if there.ID != h.ID {
		return true
	}
	b.everybody()
	g := worktree.Find(dir, worktree.Ask{Own: b.ownGitConfig().files, Home: b.caller.Home})
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
