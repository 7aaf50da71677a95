package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"go.podman.io/storage/pkg/idtools"
	"golang.org/x/sys/unix"
)

// archiver writes what lies in a directory as a tar archive. Others may change all of it meanwhile, a container that runs does: each
// name is opened once, in the directory that it was read from, without waiting, and what is open is looked at; a file has as many
// bytes as it had then. What is gone by then is left out.
type archiver struct {
	w      *tar.Writer
	ids    *idtools.IDMappings
	upper  bool     // it is an overlay's upper directory: what it says of removed files is written as image-spec has it (layer.md)
	except []string // paths that are left out
	left   int64    // bytes that may still be written
	linked map[[2]uint64]string
}

// maxDepth bounds how deep directories lie in each other: one descriptor each.
const maxDepth = 1000

// archive writes it to the end.
func (a *archiver) archive(w io.Writer, dir int) error {
	a.w, a.left, a.linked = tar.NewWriter(w), maxSize, map[[2]uint64]string{}
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := a.below(fd, "", 0); err != nil {
		return err
	}
	return a.w.Close()
}

// below writes what is in a directory, and closes that.
func (a *archiver) below(fd int, at string, depth int) error {
	dir := os.NewFile(uintptr(fd), at)
	defer dir.Close()
	if depth > maxDepth {
		return fmt.Errorf("%.60s...: directories lie more than %d deep in each other", at, maxDepth)
	}
	names, err := dir.Readdirnames(0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("read %s: %w", at, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if full := path.Join(at, name); !slices.Contains(a.except, full) {
			if err := a.entry(fd, name, full, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *archiver) entry(dir int, name, full string, depth int) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: full, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st) // of what is open it does not fail
	h, err := a.header(fd, full, &st)
	if err != nil || h == nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return a.file(fd, h, &st)
	case tar.TypeDir:
		return a.directory(fd, h, full, depth)
	}
	return a.w.WriteHeader(h)
}

// header is what an archive says of a file; nil is one that no archive has.
func (a *archiver) header(fd int, full string, st *unix.Stat_t) (*tar.Header, error) {
	owner, err := a.owner(st)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", full, err)
	}
	h := &tar.Header{
		Name: full, Mode: int64(st.Mode & 0o7777), Uid: owner.UID, Gid: owner.GID,
		ModTime: time.Unix(st.Mtim.Sec, 0), Devmajor: int64(unix.Major(st.Rdev)), Devminor: int64(unix.Minor(st.Rdev)),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, full+"/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		h.Linkname, err = target(fd)
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	case unix.S_IFCHR:
		if h.Typeflag = tar.TypeChar; a.upper && st.Rdev == 0 { // overlayfs's mark of what is removed
			*h = tar.Header{Typeflag: tar.TypeReg, Name: path.Join(path.Dir(full), ".wh."+path.Base(full))}
		}
	default:
		return nil, nil //nolint:nilnil // a socket: nobody listens there any more
	}
	if err != nil {
		return nil, &os.PathError{Op: "readlink", Path: full, Err: err}
	}
	if to := a.other(full, st, h); to != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, to, 0
	}
	return h, nil
}

// owner is how a file's is numbered in the archive.
func (a *archiver) owner(st *unix.Stat_t) (o idtools.IDPair, err error) {
	o = idtools.IDPair{UID: int(st.Uid), GID: int(st.Gid)}
	if a.ids != nil && !a.ids.Empty() {
		o.UID, o.GID, err = a.ids.ToContainer(o)
	}
	return o, err
}

// other is the name under which the archive has the same file already.
func (a *archiver) other(full string, st *unix.Stat_t, h *tar.Header) string {
	if h.Typeflag == tar.TypeDir || st.Nlink < 2 || h.Name != full {
		return ""
	}
	id := [2]uint64{st.Dev, st.Ino}
	if to, ok := a.linked[id]; ok {
		return to
	}
	a.linked[id] = full
	return ""
}

func target(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), err
}

// file writes a file. What it was found to be is opened for reading by its descriptor; where it is shorter by now, zeros follow.
func (a *archiver) file(fd int, h *tar.Header, st *unix.Stat_t) error {
	if h.Typeflag == tar.TypeLink || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return a.w.WriteHeader(h)
	}
	in, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return fmt.Errorf("open %s: %w", h.Name, err)
	}
	defer in.Close()
	if a.left -= h.Size; a.left < 0 {
		return fmt.Errorf("%s: the archive would have more than %d bytes", h.Name, maxSize)
	}
	h.PAXRecords = attributes(fd)
	if err := a.w.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(a.w, io.LimitReader(in, h.Size))
	if err == nil {
		_, err = io.CopyN(a.w, zeros{}, h.Size-n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (a *archiver) directory(fd int, h *tar.Header, full string, depth int) error {
	h.PAXRecords = attributes(fd)
	if err := a.w.WriteHeader(h); err != nil {
		return err
	}
	if a.upper && isOpaque(fd) {
		if err := a.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(full, ".wh..wh..opq")}); err != nil {
			return err
		}
	}
	in, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: full, Err: err}
	}
	return a.below(in, full, depth+1)
}

// attributes are a file's extended ones that images keep, as tar programs write them: capabilities, and those of users, but for what
// overlayfs writes down of its own.
func attributes(fd int) map[string]string {
	by := fmt.Sprintf("/proc/self/fd/%d", fd) // flistxattr(2) takes no O_PATH
	list := make([]byte, 64<<10)
	n, err := unix.Listxattr(by, list)
	if err != nil {
		return nil
	}
	found := map[string]string{}
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		if name != "security.capability" && !strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		value := make([]byte, 64<<10)
		if n, err := unix.Getxattr(by, name, value); err == nil {
			found["SCHILY.xattr."+name] = string(value[:n])
		}
	}
	return found
}

// isOpaque says whether a directory covers what lies below it.
func isOpaque(fd int) bool {
	var y [2]byte
	for _, name := range []string{"user.overlay.opaque", "trusted.overlay.opaque"} {
		if n, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", fd), name, y[:]); err == nil && n == 1 && y[0] == 'y' {
			return true
		}
	}
	return false
}
