package spec

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// openInRoot opens p as the payload would see it: absolute links and ".." in a root that somebody else
// made stay inside of it. Magic links (/proc/self/root) would lead out and are refused. A rename under
// our feet makes the kernel say EAGAIN (openat2(2)); it is tried a few times.
func openInRoot(root, p string, flags uint64) (int, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	if flags&unix.O_PATH == 0 { // with O_PATH openat2 takes no other flags; it does not block either
		flags |= unix.O_NONBLOCK | unix.O_NOCTTY
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(dir, strings.TrimPrefix(p, "/"), &how)
		if err != unix.EAGAIN && err != unix.EINTR || try == 9 {
			return fd, err
		}
	}
}

// readInRoot reads a regular file of a root.
func readInRoot(root, p string, limit int64) ([]byte, error) {
	fd, err := openInRoot(root, p, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	defer unix.Close(fd)
	return readOpen(fd, p, limit, false)
}

func (b *builder) isDirInRoot(p string) bool {
	fd, err := openInRoot(b.onHost(b.spec.Root.Path), p, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// emptyInRoot tells whether there is nothing at p that a tmpfs would have to copy.
func (b *builder) emptyInRoot(p string) bool {
	fd, err := openInRoot(b.onHost(b.spec.Root.Path), p, unix.O_RDONLY|unix.O_DIRECTORY)
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
