package lifecycle

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

// marked is the mode of what we make for state: the sticky bit, which mkdir(2) sets with the rest, tells a directory of
// ours from any other without a moment between. Nobody makes private directories with it, so that what has it and no
// record is a start that was killed, and not somebody's work.
const marked = 0o700 | unix.S_ISVTX

// openRoot opens the directory of all containers' state, once for all that this process does there: the same path may
// lead elsewhere a moment later, where others may write. It is fs.ErrNotExist where there is none.
//
// The default one is ours alone or refused. One that was typed may be everybody's, as /tmp is: what counts is whose each
// container's directory is.
func (r *Runtime) openRoot() (*os.File, error) {
	var st unix.Stat_t
	if r.state != nil && unix.Fstat(int(r.state.Fd()), &st) == nil && st.Nlink > 0 {
		return r.state, nil
	}
	how := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if r.ownRoot {
		how |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(r.Root, how, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: r.Root, Err: err}
	}
	f := os.NewFile(uintptr(fd), r.Root)
	if r.ownRoot {
		if err := r.Kernel.OursAlone(fd, r.Root, int(r.Caller.UID)); err != nil {
			f.Close()
			return nil, err
		}
	}
	r.state = f
	return f, nil
}

// makeRoot opens it, and makes it where it is not there.
func (r *Runtime) makeRoot() (*os.File, error) {
	f, err := r.openRoot()
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	path := r.Root
	if len(path) > 1 {
		path = strings.TrimRight(path, "/")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mkdir(path, marked); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return r.openRoot()
}

// path is where a container's state lives, for people and for what is opened again and compared. Ids are checked here,
// once for every verb, because an id becomes a path.
func (r *Runtime) path(id string) (string, error) {
	if err := spec.ValidID(id); err != nil {
		return "", err
	}
	if len(id) > unix.NAME_MAX {
		return "", fmt.Errorf("invalid container ID format: %d bytes, and a directory name has at most %d", len(id), unix.NAME_MAX)
	}
	return filepath.Join(r.Root, id), nil
}

// open opens a container's directory, which is fs.ErrNotExist where there is none, a [*strangerError] where something
// else has the name, and a [*foreignError] where it is not ours alone.
//
// No link is followed, and nothing that is mounted there: a file system in user space says of its files whatever owner
// it likes.
func (r *Runtime) open(id string) (*dir, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	root, err := r.openRoot()
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
	d := &dir{id: id, path: path, root: root, f: os.NewFile(uintptr(fd), path)}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		d.close()
		return nil, fmt.Errorf("look at %s: %w", path, err)
	}
	if why := notOurs(&st); why != "" {
		d.close()
		return nil, &foreignError{path, why}
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
	switch why := notOurs(&st); {
	case errors.Is(err, unix.EXDEV):
		return &foreignError{path, "is a mount point"}
	case why != "" && kind == "":
		return &foreignError{path, why}
	case kind != "":
		return &strangerError{path: path, kind: kind, ours: st.Uid == uint32(os.Geteuid())}
	}
	return failed
}

// notOurs says why what is in a file is not to be believed, "" when only we can have written it. What belongs to root of
// the host is not ours in a user namespace of our own, where it belongs to nobody.
func notOurs(st *unix.Stat_t) string {
	if st.Uid != uint32(os.Geteuid()) {
		return fmt.Sprintf("belongs to uid %d, and we are uid %d", st.Uid, os.Geteuid())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK && st.Mode&0o022 != 0 {
		return fmt.Sprintf("can be written by others (mode %04o)", st.Mode&0o7777)
	}
	return ""
}

// foreignError is state that others have written or could write. Nothing in it is read: it may name processes to kill and
// programs to run.
type foreignError struct{ path, why string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("%s %s: it is not believed and left alone; take another id or --root, or look at it as its owner", e.path, e.why)
}

// Unwrap gives the errno to errors.Is.
func (e *foreignError) Unwrap() error { return unix.EPERM }

// strangerError is something in a container's place that is no directory.
type strangerError struct {
	path, kind string
	ours       bool
}

func (e *strangerError) Error() string {
	return fmt.Sprintf("%s is %s and no container's directory", e.path, e.kind)
}

// Unwrap gives the errno to errors.Is.
func (e *strangerError) Unwrap() error { return unix.ENOTDIR }

// because adds the cause that the host shows for an error.
func (r *Runtime) because(op kernel.Op, err error) error { return r.Kernel.Because(op, err) }
