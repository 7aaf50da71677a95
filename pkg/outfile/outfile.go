package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// File is one that will be written whole: what is there now stays until then.
type File struct {
	*place
	to *os.File // what takes it as it comes: a pipe, a device, a descriptor of ours
}

// Open finds the place of a file, and says now what would be wrong with it: no directory, no right to write there. Nothing is
// made yet. What takes bytes as they come, a pipe that somebody reads or a device, is opened.
//
// Errors are an [*fs.PathError] with the path as it was typed, or a [*LinkError].
func Open(path string) (*File, error) {
	if to, ours, err := descriptor(path); ours {
		return &File{to: to}, err
	}
	p, err := find(path)
	if err != nil {
		return nil, err
	}
	f := &File{place: p}
	if f.to, err = p.special(); err == nil && f.to == nil {
		err = unix.Faccessat(p.dir, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	}
	if err != nil {
		f.Close()
		return nil, p.error("open", err)
	}
	return f, nil
}

// Write writes the file. Whoever reads its name sees what was there before, or all of b; a link that has the name is replaced
// and not followed.
func (f *File) Write(b []byte, mode os.FileMode) error {
	if f.to == nil {
		return f.replace(b, mode)
	}
	_, err := f.to.Write(b)
	return err
}

// Close closes what Open has opened.
func (f *File) Close() {
	if f.place != nil {
		f.close()
		f.place = nil
	}
	if f.to != nil {
		f.to.Close()
		f.to = nil
	}
}

// Replace is Open, Write and Close.
func Replace(path string, b []byte, mode os.FileMode) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Write(b, mode)
}

// replace makes the file under a name that nobody knows, and renames it.
func (p *place) replace(b []byte, mode os.FileMode) error {
	var random [8]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return p.error("write", err)
	}
	tmp := fmt.Sprintf(".sandbox-%x", random)
	err := create(p.dir, tmp, b, mode, false)
	if err == nil {
		err = unix.Renameat(p.dir, tmp, p.dir, p.name)
	}
	if err != nil {
		_ = unix.Unlinkat(p.dir, tmp, 0)
		return p.error("write", err)
	}
	return nil
}

// Create makes a file that is not there, complete or not at all, also on a full disk; else it is fs.ErrExist.
func Create(path string, b []byte, mode os.FileMode) error {
	p, err := find(path)
	if err != nil {
		return err
	}
	defer p.close()
	if err := create(p.dir, p.name, b, mode, true); err != nil {
		if !errors.Is(err, unix.EEXIST) {
			_ = unix.Unlinkat(p.dir, p.name, 0) // half of it
		}
		return p.error("open", err)
	}
	return nil
}

// create makes one; with sync it is on the disk afterwards.
func create(dir int, name string, b []byte, mode os.FileMode, sync bool) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return err
	}
	for len(b) > 0 && err == nil {
		var n int
		if n, err = unix.Write(fd, b); errors.Is(err, unix.EINTR) {
			err = nil
		}
		b = b[max(0, n):]
	}
	if sync && err == nil {
		err = unix.Fsync(fd)
	}
	if end := unix.Close(fd); err == nil {
		err = end
	}
	return err
}

// Append opens a file to write at its end, and makes it where it is not there. Refused are links, another name of some file,
// and a file of somebody's who does not own the directory either: that could be read by him.
func Append(path string, mode os.FileMode) (*os.File, error) {
	if to, ours, err := descriptor(path); ours {
		return to, err
	}
	p, err := find(path)
	if err != nil {
		return nil, err
	}
	defer p.close()
	fd, err := p.open(unix.O_APPEND|unix.O_CREAT, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, &LinkError{path, whyLast}
	}
	if err != nil {
		return nil, p.error("open", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, p.error("open", err)
	}
	if why := p.unfit(&st); why != "" {
		unix.Close(fd)
		return nil, fmt.Errorf("%s %s", path, why)
	}
	return opened(fd, path, st.Mode), nil
}

// unfit says why nothing is appended to what was found, "" where it is.
func (p *place) unfit(st *unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return ""
	case unix.S_IFCHR:
		if p.device() {
			return ""
		}
		return "is a device: name it as it is called in /dev"
	case unix.S_IFREG:
	default:
		return "is no regular file"
	}
	var dir unix.Stat_t
	switch err := unix.Fstat(p.dir, &dir); {
	case err != nil:
		return err.Error()
	case st.Nlink > 1:
		return "is another name of some file (a hard link): remove it, or name another file"
	case st.Uid != uint32(os.Geteuid()) && st.Uid != dir.Uid:
		return fmt.Sprintf("belongs to uid %d: name another file", st.Uid)
	}
	return ""
}

// readerPatience is how long the reader of a FIFO may take to open it.
const readerPatience = time.Second

// open opens the file for writing and follows no link. It does not wait for the reader of a FIFO for ever, nor makes a
// terminal ours.
func (p *place) open(how int, mode os.FileMode) (int, error) {
	how |= unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	for end := time.Now().Add(readerPatience); ; time.Sleep(readerPatience / 100) {
		fd, err := unix.Openat(p.dir, p.name, how, uint32(mode.Perm()))
		if !errors.Is(err, unix.ENXIO) || time.Now().After(end) {
			return fd, err
		}
	}
}

// special opens what cannot be replaced by a file, or should not be; nil is nothing of that kind. A FIFO that nobody reads is
// replaced.
func (p *place) special() (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, unix.ENOENT) {
			err = nil
		}
		return nil, err
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFREG || kind == unix.S_IFLNK:
		return nil, nil
	case kind == unix.S_IFDIR:
		return nil, unix.EISDIR
	case kind != unix.S_IFIFO && (kind != unix.S_IFCHR || !p.device()):
		return nil, errors.New("is neither a file nor a pipe: name another one")
	}
	return p.openSpecial(kind)
}

// openSpecial opens the pipe or device, which was of this kind when it was looked at; nil for a pipe that nobody reads.
func (p *place) openSpecial(kind uint32) (*os.File, error) {
	fd, err := p.open(0, 0)
	if kind == unix.S_IFIFO && errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != kind {
		unix.Close(fd)
		return nil, unix.ESTALE // it was exchanged meanwhile
	}
	return opened(fd, p.path, st.Mode), nil
}

// device says whether a device in this directory is the host's own: one that root alone can have put there.
func (p *place) device() bool {
	var st unix.Stat_t
	return path.IsAbs(p.path) && unix.Fstat(p.dir, &st) == nil && (st.Uid == 0 || st.Uid == nobody) && st.Mode&0o022 == 0
}

// pipePatience is how long the reader of a pipe may keep us waiting.
const pipePatience = 5 * time.Second

// opened is a file of what was opened without waiting.
func opened(fd int, name string, mode uint32) *os.File {
	if mode&unix.S_IFMT != unix.S_IFIFO {
		_ = unix.SetNonblock(fd, false)
		return os.NewFile(uintptr(fd), name)
	}
	f := os.NewFile(uintptr(fd), name)
	_ = f.SetWriteDeadline(time.Now().Add(pipePatience))
	return f
}

// descriptor is a copy of a descriptor that we were started with, where a path names one. What Go or we have opened is
// close-on-exec, and nobody's to name.
func descriptor(path string) (f *os.File, ours bool, err error) {
	fd, err := descriptorNumber(path)
	if err != nil || fd < 0 {
		return nil, err != nil, err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err == nil && flags&unix.FD_CLOEXEC != 0 {
		err = unix.EBADF
	}
	if err == nil {
		fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	}
	if err != nil {
		return nil, true, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), true, nil
}

// descriptorNumber returns the number of the descriptor that path stands for, or -1 when path is any other name.
func descriptorNumber(path string) (int, error) {
	switch path {
	case "/dev/stdout":
		return 1, nil
	case "/dev/stderr":
		return 2, nil
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if n, is := strings.CutPrefix(path, dir); is && !strings.Contains(n, "/") {
			fd, err := strconv.Atoi(n)
			if err != nil || fd < 0 {
				return -1, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
			}
			return fd, nil
		}
	}
	return -1, nil
}
