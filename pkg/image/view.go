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
	hidden := map[string]bool{}
	for _, dir := range at {
		fd, err := unix.Open(byFD(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // opens nothing else
		if err != nil {
			return errors.Is(err, unix.ENOTDIR)
		}
		f := os.NewFile(uintptr(fd), path)
		names, err := f.Readdirnames(0)
		f.Close()
		if err != nil {
			return errors.Is(err, unix.ENOTDIR)
		}
		for _, name := range names {
			switch {
			case hidden[name]:
			case whiteout(dir, name):
				hidden[name] = true
			default:
				return false
			}
		}
	}
	return true
}

// walk goes a path, and returns the directories that are one there, the topmost first, or the one file.
func (v *View) walk(path string) ([]int, error) {
	stack := [][]int{v.roots}
	left, links := strings.Split(path, "/"), 0
	back := func(n int) {
		for len(stack) > n {
			closeAll(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
		}
	}
	defer func() { back(1) }()
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			back(max(len(stack)-1, 1))
			continue
		}
		next, target, err := step(stack[len(stack)-1], name)
		if err != nil {
			return nil, err
		}
		if target == "" {
			stack = append(stack, next)
			continue
		}
		if links++; links > maxLinks {
			return nil, unix.ELOOP
		}
		if filepath.IsAbs(target) {
			back(1)
		}
		left = append(strings.Split(target, "/"), left...)
	}
	top := stack[len(stack)-1]
	found := make([]int, 0, len(top))
	for _, fd := range top {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			closeAll(found)
			return nil, err
		}
		found = append(found, own)
	}
	return found, nil
}

// step is one name on from directories that are one. A link comes back as what it says.
func step(dirs []int, name string) (next []int, target string, err error) {
	for _, dir := range dirs {
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == unix.ENOENT:
			continue
		case err != nil:
			closeAll(next)
			return nil, "", err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			unix.Close(fd)
			closeAll(next)
			return nil, "", err
		}
		kind := st.Mode & unix.S_IFMT
		switch {
		case kind == unix.S_IFDIR:
			next = append(next, fd)
			if opaque(fd) {
				return next, "", nil
			}
			continue
		case len(next) > 0: // a file below a directory is covered by it
			unix.Close(fd)
			return next, "", nil
		case isWhiteout(&st):
			unix.Close(fd)
			return nil, "", unix.ENOENT
		case kind == unix.S_IFLNK:
			defer unix.Close(fd)
			buf := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(fd, "", buf)
			if n == 0 && err == nil {
				err = unix.ENOENT
			}
			return nil, string(buf[:max(n, 0)]), err
		}
		return []int{fd}, "", nil
	}
	if len(next) == 0 {
		return nil, "", unix.ENOENT
	}
	return next, "", nil
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
