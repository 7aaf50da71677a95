package image

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// View is what layers show together, as overlayfs will show it, for what has to be known of a root before there is one: who is
// in its /etc/passwd, whether a directory is there. It never leaves the layers: an absolute link begins at their root, ".."
// ends there.
type View struct {
	roots []int // the layers, the topmost first
}

// NewView opens the layers' directories.
func NewView(dirs []string) (*View, error) {
	v := &View{}
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			v.Close()
			return nil, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		v.roots = append(v.roots, fd)
	}
	return v, nil
}

// Close lets go of them.
func (v *View) Close() { closeAll(v.roots) }

// maxLinks is the kernel's own bound of links on one way (path_resolution(7)).
const maxLinks = 40

// Open opens what a path shows, with its links followed; flags are open(2)'s, and nothing is written. A directory is that of
// the topmost layer that has it.
func (v *View) Open(path string, flags int) (int, error) {
	at, err := v.walk(path)
	if err != nil {
		return -1, err
	}
	defer closeAll(at)
	var st unix.Stat_t
	if err := unix.Fstat(at[0], &st); err != nil {
		return -1, err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return -1, unix.ENXIO // to open a device or a FIFO may do something
	}
	return unix.Open(byFD(at[0]), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// Empty says whether nothing is in a directory, or there is none.
func (v *View) Empty(path string) bool {
	at, err := v.walk(path)
	if err != nil {
		return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
	}
	defer closeAll(at)
	removed := map[string]bool{}
	for _, dir := range at {
		names, err := namesIn(dir)
		if err != nil {
			return errors.Is(err, unix.ENOTDIR)
		}
		for _, name := range names {
			switch {
			case removed[name]:
			case whiteout(dir, name):
				removed[name] = true
			default:
				return false
			}
		}
	}
	return true
}

// namesIn opens nothing but a directory.
func namesIn(dir int) ([]string, error) {
	fd, err := unix.Open(byFD(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	return f.Readdirnames(0)
}

// trail is a way through the layers: the directories that are one at each of its names.
type trail struct{ stack [][]int }

// back goes up to so many names, and lets go of the others.
func (t *trail) back(n int) {
	for len(t.stack) > n {
		closeAll(t.stack[len(t.stack)-1])
		t.stack = t.stack[:len(t.stack)-1]
	}
}

func (t *trail) top() []int { return t.stack[len(t.stack)-1] }

// walk goes a path, and returns the directories that are one there, the topmost first, or the one file.
func (v *View) walk(path string) ([]int, error) {
	t := &trail{[][]int{v.roots}}
	defer t.back(1)
	left, links := strings.Split(path, "/"), 0
	for len(left) > 0 {
		target, err := t.step(left[0])
		if err != nil {
			return nil, err
		}
		left = left[1:]
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return nil, unix.ELOOP
		}
		if filepath.IsAbs(target) {
			t.back(1)
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return duplicates(t.top())
}

// step goes one name on; what a link says comes back.
func (t *trail) step(name string) (target string, err error) {
	switch name {
	case "", ".":
		return "", nil
	case "..":
		t.back(max(len(t.stack)-1, 1))
		return "", nil
	}
	next, target, err := below(t.top(), name)
	if err == nil && target == "" {
		t.stack = append(t.stack, next)
	}
	return target, err
}

func duplicates(fds []int) (own []int, err error) {
	for _, fd := range fds {
		one, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			closeAll(own)
			return nil, err
		}
		own = append(own, one)
	}
	return own, nil
}

// below is what directories that are one have under a name. A link comes back as what it says.
func below(dirs []int, name string) (next []int, target string, err error) {
	for _, dir := range dirs {
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		var st unix.Stat_t
		if err == nil {
			if err = unix.Fstat(fd, &st); err != nil {
				unix.Close(fd)
			}
		}
		if err != nil {
			closeAll(next)
			return nil, "", err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if len(next) > 0 { // a file below a directory is covered by it
				unix.Close(fd)
				return next, "", nil
			}
			return fileBelow(fd, &st)
		}
		if next = append(next, fd); opaque(fd) {
			break
		}
	}
	if len(next) == 0 {
		return nil, "", unix.ENOENT
	}
	return next, "", nil
}

// fileBelow is what is no directory.
func fileBelow(fd int, st *unix.Stat_t) (file []int, target string, err error) {
	switch {
	case isWhiteout(st):
		unix.Close(fd)
		return nil, "", unix.ENOENT
	case st.Mode&unix.S_IFMT != unix.S_IFLNK:
		return []int{fd}, "", nil
	}
	defer unix.Close(fd)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if n == 0 && err == nil {
		err = unix.ENOENT
	}
	return nil, string(buf[:max(n, 0)]), err
}

// isWhiteout says whether a file is overlayfs's mark for one that a layer removes: a character device 0:0.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func whiteout(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && isWhiteout(&st)
}

// opaque says whether a directory covers what the layers below have under its name.
func opaque(fd int) bool {
	var y [4]byte
	for _, name := range []string{"user.overlay.opaque", "trusted.overlay.opaque"} {
		// By /proc: fgetxattr(2) takes no O_PATH.
		if n, err := unix.Getxattr(byFD(fd), name, y[:]); err == nil && n == 1 && y[0] == 'y' {
			return true
		}
	}
	return false
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// byFD is a path that leads to what a descriptor is open on.
func byFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
