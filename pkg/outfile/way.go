package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// place is where a file is to be: a directory that is open, and a name in it.
type place struct {
	path string // as it was typed
	dir  int
	name string
}

func (p *place) close() { unix.Close(p.dir) }

func (p *place) error(op string, err error) error {
	return &fs.PathError{Op: op, Path: p.path, Err: err}
}

// LinkError is a link that is not followed. It unwraps to ELOOP.
type LinkError struct {
	Link string
	why  string
}

func (e *LinkError) Error() string { return fmt.Sprintf("%s is a link %s", e.Link, e.why) }

// Unwrap gives the errno to errors.Is.
func (e *LinkError) Unwrap() error { return unix.ELOOP }

const (
	whyInside = "in the working directory, where a program that ran here may have made it: name the file that is meant"
	whyOthers = "of somebody else's: name the file that is meant"
	whyLast   = "and may lead to any file: name that one, or remove the link"
)

const (
	mostLinks = 40    // the kernel's limit (path_resolution(7))
	nobody    = 65534 // who owns what has no number in our user namespace (/proc/sys/kernel/overflowuid)
)

// find opens the directory of a path.
func find(path string) (*place, error) {
	dir, name := split(path)
	if name == "" || name == "." || name == ".." {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.EISDIR}
	}
	// Without a link on the way, which is the usual case, there is nothing to decide.
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, dir, &how)
	if errors.Is(err, unix.ELOOP) {
		fd, err = walk(dir)
	}
	var link *LinkError
	if errors.As(err, &link) {
		return nil, link
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &place{path, fd, name}, nil
}

// Find opens the directory in which a path is to be made by other means than these, such as a socket's, and says its name there.
func Find(path string) (dir *os.File, name string, err error) {
	p, err := find(path)
	if err != nil {
		return nil, "", err
	}
	return os.NewFile(uintptr(p.dir), path), p.name, nil
}

// split is filepath.Split without its cleaning: "a/link/.." is not "a" when link is a link.
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ".", path
	}
	return path[:i+1], path[i+1:]
}

// walker goes to a directory step by step, and looks at each link.
type walker struct {
	fd     int
	at     string // where it is, for messages
	inside bool   // in the working directory
	cwd    unix.Stat_t
	links  int
}

func walk(path string) (int, error) {
	w := &walker{fd: -1}
	if err := unix.Stat(".", &w.cwd); err != nil {
		return -1, err
	}
	err := w.begin(path)
	left := strings.Split(path, "/")
	for err == nil && len(left) > 0 {
		var more []string
		more, err = w.step(left[0])
		left = append(more, left[1:]...)
	}
	if err != nil {
		unix.Close(w.fd)
		return -1, err
	}
	return w.fd, nil
}

// begin starts at "/" or in the working directory.
func (w *walker) begin(path string) error {
	start := "."
	if w.at, w.inside = "", true; strings.HasPrefix(path, "/") {
		start, w.at, w.inside = "/", "/", false
	}
	fd, err := unix.Open(start, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(w.fd)
	w.fd = fd
	return nil
}

// step takes one name. It returns those that a link puts in its place.
func (w *walker) step(name string) ([]string, error) {
	if name == "" || name == "." {
		return nil, nil
	}
	fd, err := unix.Openat(w.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.enter(fd, name, &st)
		return nil, nil
	case unix.S_IFLNK:
		defer unix.Close(fd)
		return w.follow(fd, name, &st)
	}
	unix.Close(fd)
	return nil, unix.ENOTDIR
}

func (w *walker) enter(fd int, name string, st *unix.Stat_t) {
	unix.Close(w.fd)
	w.fd, w.at = fd, w.at+name+"/"
	// "/" as the working directory is nobody's to write, and everything is in it.
	w.inside = w.inside || st.Dev == w.cwd.Dev && st.Ino == w.cwd.Ino
}

func (w *walker) follow(fd int, name string, st *unix.Stat_t) ([]string, error) {
	if w.links++; w.links > mostLinks {
		return nil, unix.ELOOP
	}
	if w.inside {
		return nil, &LinkError{w.at + name, whyInside}
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(w.fd, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC {
		return nil, w.jump(name) // the kernel's own, whose text says little
	}
	if !trusted(st.Uid) {
		return nil, &LinkError{w.at + name, whyOthers}
	}
	var text [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", text[:])
	if err != nil {
		return nil, err
	}
	to := string(text[:n])
	if strings.HasPrefix(to, "/") {
		if err := w.begin(to); err != nil {
			return nil, err
		}
	}
	return strings.Split(to, "/"), nil
}

// jump follows a link of /proc.
func (w *walker) jump(name string) error {
	fd, err := unix.Openat(w.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	w.enter(fd, name, &st)
	return nil
}

// trusted says whether links of that owner are followed. In a user namespace that has no number for the host's root, what is
// root's belongs to nobody.
func trusted(uid uint32) bool {
	return uid == 0 || uid == uint32(os.Geteuid()) || uid == nobody && nested()
}

// nested says whether some of the host's ids have no number here (user_namespaces(7)).
func nested() bool {
	m := proc.ReadIDMap("/proc/self/uid_map")
	return m != nil && !m.Initial()
}
