package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/spec"
)

// Root is the directory of all containers' state.
type Root struct {
	Path   string
	Own    bool         // the default one: ours alone, or refused
	UID    int          // who we are
	Kernel *kernel.Host // where the evidence is read of what the host refuses

	dir *os.File // opened once
}

// Marked is the mode of what we make for state: the sticky bit, which mkdir(2) sets with the rest, tells a directory of
// ours from any other without a moment between. Nobody makes private directories with it, so that what has it and no
// record is a start that was killed, and not somebody's work.
const Marked = 0o700 | unix.S_ISVTX

// Open opens the directory of all containers' state, once for all that this process does there: the same path may
// lead elsewhere a moment later, where others may write. It is fs.ErrNotExist where there is none.
//
// The default one is ours alone or refused. One that was typed may be everybody's, as /tmp is: what counts is whose each
// container's directory is.
func (r *Root) Open() (*os.File, error) {
	var st unix.Stat_t
	if r.dir != nil && unix.Fstat(int(r.dir.Fd()), &st) == nil && st.Nlink > 0 {
		return r.dir, nil
	}
	how := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if r.Own {
		how |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(r.Path, how, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: r.Path, Err: err}
	}
	f := os.NewFile(uintptr(fd), r.Path)
	if r.Own {
		if err := r.Kernel.OursAlone(fd, r.Path, r.UID); err != nil {
			f.Close()
			return nil, err
		}
	}
	r.dir = f
	return f, nil
}

// Create opens it, and makes it where it is not there.
func (r *Root) Create() (*os.File, error) {
	f, err := r.Open()
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	path := r.Path
	if len(path) > 1 {
		path = strings.TrimRight(path, "/")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mkdir(path, Marked); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return r.Open()
}

// place is where a container's state lives, for people and for what is opened again and compared. Ids are checked here,
// once for every verb, because an id becomes a path.
func (r *Root) place(id string) (string, error) {
	if err := spec.ValidID(id); err != nil {
		return "", err
	}
	if len(id) > unix.NAME_MAX {
		return "", fmt.Errorf("invalid container ID format: %d bytes, and a directory name has at most %d", len(id), unix.NAME_MAX)
	}
	return filepath.Join(r.Path, id), nil
}

// Dir opens a container's directory, which is fs.ErrNotExist where there is none, a [*StrangerError] where something
// else has the name, and a [*ForeignError] where it is not ours alone.
//
// No link is followed, and nothing that is mounted there: a file system in user space says of its files whatever owner
// it likes.
func (r *Root) Dir(id string) (*Dir, error) {
	path, err := r.place(id)
	if err != nil {
		return nil, err
	}
	root, err := r.Open()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat2(int(root.Fd()), id, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, notOpened(root, id, path, err)
	}
	d := &Dir{ID: id, Path: path, root: r, f: os.NewFile(uintptr(fd), path)}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		d.Close()
		return nil, fmt.Errorf("look at %s: %w", path, err)
	}
	if why := NotOurs(&st); why != "" {
		d.Close()
		return nil, &ForeignError{path, why}
	}
	d.marked = st.Mode&unix.S_ISVTX != 0
	return d, nil
}

// notOpened is what is there instead of a directory of ours.
func notOpened(root *os.File, id, path string, err error) error {
	failed := fmt.Errorf("open %s: %w", path, err)
	var st unix.Stat_t
	if unix.Fstatat(int(root.Fd()), id, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return failed
	}
	kind := map[uint32]string{
		unix.S_IFLNK: "a link", unix.S_IFREG: "a file", unix.S_IFIFO: "a pipe", unix.S_IFSOCK: "a socket", unix.S_IFCHR: "a device", unix.S_IFBLK: "a device",
	}[st.Mode&unix.S_IFMT]
	switch why := NotOurs(&st); {
	case errors.Is(err, unix.EXDEV):
		return &ForeignError{path, "is a mount point"}
	case why != "" && kind == "":
		return &ForeignError{path, why}
	case kind != "":
		return &StrangerError{Path: path, Kind: kind, Ours: st.Uid == uint32(os.Geteuid())}
	}
	return failed
}

// NotOurs says why what is in a file is not to be believed, "" when only we can have written it. What belongs to root of
// the host is not ours in a user namespace of our own, where it belongs to nobody.
func NotOurs(st *unix.Stat_t) string {
	if st.Uid != uint32(os.Geteuid()) {
		return fmt.Sprintf("belongs to uid %d, and we are uid %d", st.Uid, os.Geteuid())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK && st.Mode&0o022 != 0 {
		return fmt.Sprintf("can be written by others (mode %04o)", st.Mode&0o7777)
	}
	return ""
}

// ForeignError is state that others have written or could write. Nothing in it is read: it may name processes to kill and
// programs to run.
type ForeignError struct{ Path, Why string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s %s: it is not believed and left alone; take another id or --root, or look at it as its owner", e.Path, e.Why)
}

// Unwrap gives the errno to errors.Is.
func (e *ForeignError) Unwrap() error { return unix.EPERM }

// StrangerError is something in a container's place that is no directory.
type StrangerError struct {
	Path, Kind string
	Ours       bool
}

func (e *StrangerError) Error() string {
	return fmt.Sprintf("%s is %s and no container's directory", e.Path, e.Kind)
}

// Unwrap gives the errno to errors.Is.
func (e *StrangerError) Unwrap() error { return unix.ENOTDIR }
