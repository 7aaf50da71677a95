package spec

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// openInRoot opens p as the payload would see it: absolute links and ".." in a root that somebody else
// made stay inside of it. Magic links (/proc/self/root) would lead out and are refused.
func openInRoot(root *handle.Handle, p string, flags uint64) (int, error) {
	if flags&unix.O_PATH == 0 { // with O_PATH openat2 takes no other flags; it does not block either
		flags |= unix.O_NONBLOCK | unix.O_NOCTTY
	}
	return root.OpenAt(strings.TrimPrefix(p, "/"), flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// readInRoot reads a regular file of a root.
func readInRoot(root *handle.Handle, p string, limit int64) ([]byte, error) {
	fd, err := openInRoot(root, p, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	defer unix.Close(fd)
	return readOpen(fd, p, limit, false)
}

// openInRoot is that for the root of this wish.
func (b *builder) openInRoot(p string, flags uint64) (int, error) {
	if i := b.wish.Image; i != nil {
		return i.Files.Open(p, int(flags))
	}
	root, err := b.rootDir()
	if err != nil {
		return -1, err
	}
	return openInRoot(root, p, flags)
}

// readInRoot reads a regular file of it.
func (b *builder) readInRoot(p string, limit int64) ([]byte, error) {
	fd, err := b.openInRoot(p, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	defer unix.Close(fd)
	return readOpen(fd, p, limit, false)
}

// rootDir is the directory that becomes the root.
func (b *builder) rootDir() (*handle.Handle, error) {
	path := b.spec.Root.Path
	if h := b.paths[path]; h != nil {
		return h, nil
	}
	h, err := b.open(path)
	if err != nil {
		return nil, err
	}
	return b.paths.Add(path, h), nil
}

func (b *builder) isDirInRoot(p string) bool {
	fd, err := b.openInRoot(p, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// emptyInRoot tells whether there is nothing at p that a tmpfs would have to copy.
func (b *builder) emptyInRoot(p string) bool {
	if i := b.wish.Image; i != nil {
		return i.Files.Empty(p)
	}
	fd, err := b.openInRoot(p, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return true
	}
	if err != nil {
		return false
	}
	dir := os.NewFile(uintptr(fd), p)
	defer dir.Close()
	names, _ := dir.Readdirnames(1)
	return len(names) == 0
}
