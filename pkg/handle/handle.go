package handle

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// ID tells a file from every other one on this host, whatever names it has.
type ID struct{ Dev, Ino uint64 }

// Handle is a file that stays the same while it is held. Its descriptor is O_PATH: it reads and writes nothing.
type Handle struct {
	ID
	FD    int
	Mode  uint32 // of stat(2), with the file's type
	UID   uint32 // of its owner
	Names uint64 // how many it has in its file system: hard links
	Path  string // as it was named, absolute

	// Cwd says that it is the working directory of this process, which a forked child has too, in whatever mount
	// namespace: it needs no name.
	Cwd bool
}

// Open opens path, with its links followed, and does what the kernel does for a bind mount's source: an automount point is
// mounted. It needs no right to read, only to pass the directories on the way. The error has its errno.
func Open(path string) (*Handle, error) { return open(path, 0) }

// OpenLink is Open of a link itself, where path names one.
func OpenLink(path string) (*Handle, error) { return open(path, unix.AT_SYMLINK_NOFOLLOW) }

func open(path string, flags uint) (*Handle, error) { return openAt(unix.AT_FDCWD, path, path, flags) }

// OpenOwn opens a directory that is this process's alone, as is the one it lies in: neither is a link, and nobody else can write
// there. EPERM is another one.
func OpenOwn(path string) (*Handle, error) {
	above, err := OpenLink(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer above.Close()
	h, err := At(above.FD, filepath.Base(path), path)
	if err != nil {
		return nil, err
	}
	if !above.own() || !h.own() {
		h.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.EPERM}
	}
	return h, nil
}

// own says whether it is a directory of ours that nobody else can write.
func (h *Handle) own() bool {
	return h.IsDir() && h.UID == uint32(unix.Geteuid()) && h.Mode&0o022 == 0
}

// Open is that for a path that begins at h, unless it is absolute. Links may lead anywhere.
func (h *Handle) Open(name string) (*Handle, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(h.Path, name)
	}
	return openAt(h.FD, name, path, 0)
}

func openAt(dir int, name, path string, flags uint) (*Handle, error) {
	// open_tree(2) without OPEN_TREE_CLONE is open(2) with O_PATH, but for automounts (Linux 5.2). The seccomp filters of
	// container engines refuse it together with what needs privileges.
	fd, err := unix.OpenTree(dir, name, unix.OPEN_TREE_CLOEXEC|flags)
	if err == unix.EPERM || err == unix.ENOSYS {
		how := unix.O_PATH | unix.O_CLOEXEC
		if flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
			how |= unix.O_NOFOLLOW
		}
		fd, err = unix.Openat(dir, name, how, 0)
	}
	if proc.Opened(err) != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return from(fd, path)
}

// Of is the file of a descriptor, by a name for it; the descriptor stays its owner's.
func Of(fd int, path string) (*Handle, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if proc.Opened(err) != nil {
		return nil, &fs.PathError{Op: "dup", Path: path, Err: err}
	}
	return from(own, path)
}

// At is what lies in the directory of a descriptor under a name itself, a link too; path is what it is to be called.
func At(dir int, name, path string) (*Handle, error) {
	return openAt(dir, name, path, unix.AT_SYMLINK_NOFOLLOW)
}

// Cwd is the working directory of this process, by its own name now. A directory that was removed, or that lies outside
// of our root, has none: ENOENT.
func Cwd() (*Handle, error) {
	h, err := Open(".")
	if err != nil {
		return nil, err
	}
	h.Cwd = true
	if h.Path, err = unix.Getwd(); err == nil && !filepath.IsAbs(h.Path) {
		err = unix.ENOENT // "(unreachable)", getcwd(2)
	}
	if err != nil {
		h.Close()
		return nil, &fs.PathError{Op: "getcwd", Path: ".", Err: err}
	}
	return h, nil
}

// Beneath opens name below h, on whatever mount, and follows no link: what leads elsewhere is ELOOP, ".." that leaves h is
// EXDEV. Path is h's with name behind it.
func (h *Handle) Beneath(name string) (*Handle, error) {
	return h.at(name, unix.O_PATH, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

// Inside is Beneath, but follows links that stay below h. EXDEV is one that does not.
func (h *Handle) Inside(name string) (*Handle, error) {
	return h.at(name, unix.O_PATH, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
}

// Link is what is at name below h itself, a link too.
func (h *Handle) Link(name string) (*Handle, error) {
	return h.at(name, unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
}

func (h *Handle) at(name string, flags, resolve uint64) (*Handle, error) {
	path := filepath.Join(h.Path, name)
	fd, err := h.OpenAt(name, flags, resolve)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return from(fd, path)
}

// OpenAt is openat2(2) below h, close-on-exec. A rename or mount anywhere on the machine while the kernel goes through a
// ".." is EAGAIN, for it could not be sure then; it is asked again, and gives up with that error.
func (h *Handle) OpenAt(name string, flags, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(h.FD, name, &how)
		if err != unix.EAGAIN && err != unix.EINTR || try == 99 {
			return fd, proc.Opened(err)
		}
	}
}

func from(fd int, path string) (*Handle, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	names := uint64(st.Nlink) //nolint:unconvert // 32 bits on other architectures
	return &Handle{ID: ID{st.Dev, st.Ino}, FD: fd, Mode: st.Mode, UID: st.Uid, Names: names, Path: path}, nil
}

// Target is what a symbolic link says, for one that was opened itself.
func (h *Handle) Target() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(h.FD, "", buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: h.Path, Err: err}
	}
	return string(buf[:n]), nil
}

// IsDir says whether it is a directory.
func (h *Handle) IsDir() bool { return h.Kind() == unix.S_IFDIR }

// Kind is its type: S_IFDIR and so on.
func (h *Handle) Kind() uint32 { return h.Mode & unix.S_IFMT }

// Name is a path that leads to this file for as long as it is held, for calls that take no descriptor.
func (h *Handle) Name() string { return "/proc/self/fd/" + strconv.Itoa(h.FD) }

// Now is where the file is at this moment, "" when it was removed or lies outside of our root: for people, and for what
// compares afterwards.
func (h *Handle) Now() string {
	now, err := os.Readlink(h.Name())
	if err != nil || !filepath.IsAbs(now) {
		return ""
	}
	if strings.HasSuffix(now, " (deleted)") { // or that is its name
		same, err := OpenLink(now)
		if err != nil {
			return ""
		}
		defer same.Close()
		if same.ID != h.ID {
			return ""
		}
	}
	return now
}

// Mount is the id of the mount that it was opened on, as mountinfo has it; 0 where the kernel does not say (statx(2),
// Linux 5.8).
func (h *Handle) Mount() uint64 {
	id, _ := h.mount()
	return id
}

// IsMountRoot says whether it is what a mount shows at its place, and nothing below.
func (h *Handle) IsMountRoot() bool {
	_, root := h.mount()
	return root
}

func (h *Handle) mount() (id uint64, root bool) {
	var st unix.Statx_t
	if unix.Statx(h.FD, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st) != nil {
		return 0, false
	}
	return st.Mnt_id, st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// Dup is the same file once more, to be closed by itself.
func (h *Handle) Dup() (*Handle, error) {
	fd, err := unix.FcntlInt(uintptr(h.FD), unix.F_DUPFD_CLOEXEC, 3)
	if proc.Opened(err) != nil {
		return nil, &fs.PathError{Op: "dup", Path: h.Path, Err: err}
	}
	d := *h
	d.FD = fd
	return &d, nil
}

// Close lets go of it.
func (h *Handle) Close() { unix.Close(h.FD) }
