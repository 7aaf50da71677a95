package helper

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// maxLinks is what the kernel follows too (path_resolution(7)).
const maxLinks = 40

// owners says why an owner is not believed; "" is that it is.
type owners func(uid uint32) string

// walk goes to a file as the kernel would, and looks at every directory it comes through, by its descriptor: an owner
// that is believed, and writable by nobody else. In a sticky directory others can make what is new, but not replace what
// a believed owner has there (NixOS's store is one). The file is looked at in the same way. It returns the file and its
// directory, O_PATH.
func (f *Finder) walk(path string, believed owners) (file, dir int, err error) {
	if !strings.HasPrefix(path, "/") {
		return -1, -1, errors.New("its path is relative to the working directory")
	}
	w := walker{believed: believed, dir: -1}
	defer func() {
		if err != nil && w.dir >= 0 {
			unix.Close(w.dir)
		}
	}()
	if err := w.root(); err != nil {
		return -1, -1, err
	}
	rest := strings.Split(path, "/")
	for len(rest) > 0 {
		name := rest[0]
		if rest = rest[1:]; name == "" || name == "." {
			continue
		}
		fd, st, err := w.open(name)
		if err != nil {
			return -1, -1, err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := w.follow(fd)
			if err != nil {
				return -1, -1, err
			}
			rest = append(strings.Split(target, "/"), rest...)
		case unix.S_IFDIR:
			if err := w.enter(name, fd, st); err != nil {
				return -1, -1, err
			}
		default:
			if len(rest) > 0 {
				err = unix.ENOTDIR
			} else if err = w.judge(w.at+"/"+name, st); err == nil && st.Mode&(0o022) != 0 {
				err = fmt.Errorf("it is writable by its group or by others")
			}
			if err != nil {
				unix.Close(fd)
				return -1, -1, err
			}
			return fd, w.dir, nil
		}
	}
	return -1, -1, errors.New("it is a directory")
}

// walker is where a walk is.
type walker struct {
	believed owners
	dir      int
	at       string // the directory's path, "" for /
	loose    bool   // others may make something in it
	links    int
}

func (w *walker) root() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	w.at = ""
	return w.enter("", fd, &st)
}

// open takes the next name, and follows nothing.
func (w *walker) open(name string) (int, *unix.Stat_t, error) {
	fd, err := unix.Openat(w.dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, &os.PathError{Op: "open", Path: w.at + "/" + name, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && w.loose {
		err = w.judge(w.at+"/"+name, &st)
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, &st, nil
}

func (w *walker) follow(fd int) (string, error) {
	defer unix.Close(fd)
	if w.links++; w.links > maxLinks {
		return "", unix.ELOOP
	}
	var b [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", b[:])
	if err != nil {
		return "", err
	}
	target := string(b[:n])
	if strings.HasPrefix(target, "/") {
		return target, w.root()
	}
	return target, nil
}

// enter goes on in a directory.
func (w *walker) enter(name string, fd int, st *unix.Stat_t) error {
	if w.dir >= 0 {
		unix.Close(w.dir)
	}
	switch w.dir = fd; name {
	case "":
	case "..":
		w.at = w.at[:max(0, strings.LastIndexByte(w.at, '/'))]
	default:
		w.at += "/" + name
	}
	w.loose = st.Mode&0o022 != 0
	if w.loose && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Errorf("%s is writable by its group or by others", w.path())
	}
	return w.judge(w.path(), st)
}

func (w *walker) path() string {
	if w.at == "" {
		return "/"
	}
	return w.at
}

func (w *walker) judge(path string, st *unix.Stat_t) error {
	if why := w.believed(st.Uid); why != "" {
		return fmt.Errorf("%s is owned by uid %d, %s", path, st.Uid, why)
	}
	return nil
}

// root believes root, if that is not us in a user namespace, and whoever is not mapped there: root of the host most
// likely, and nobody in here can become that one and write.
func (f *Finder) root(uid uint32) string {
	switch {
	case uid == nobody && f.isNobody(), uid == 0 && os.Geteuid() != 0:
		return ""
	case uid == 0:
		return "which is you, and not the host's root"
	}
	return "not by root"
}

// ours believes us besides.
func (f *Finder) ours(uid uint32) string {
	if int(uid) == os.Geteuid() || uid == 0 || f.root(uid) == "" {
		return ""
	}
	return "neither by you nor by root"
}

// ownRoot says whether / is owned by us.
func (f *Finder) ownRoot() bool {
	var st unix.Stat_t
	return unix.Stat("/", &st) == nil && int(st.Uid) == os.Geteuid()
}

// nobody is the uid that stands for all that are not mapped (user_namespaces(7)).
const nobody = 65534

// isNobody says whether that uid is no one's own here.
func (f *Finder) isNobody() bool {
	if f.nobody == nil {
		m := proc.ReadIDMap("/proc/self/uid_map")
		no := m != nil && !m.Has(nobody)
		f.nobody = &no
	}
	return *f.nobody
}
