package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A part of the store has a lock, which is a file: who reads that part has a shared lock of the whole file, who changes it an
// exclusive one, and leaves 64 other bytes in it, by which readers know. go.podman.io/storage/pkg/lockfile does this for podman; to
// link that costs every start a tenth of a millisecond, also of those without an image.

// lockShared takes a lock that keeps others from changing what it is of.
func lockShared(path string, _ bool) (unlock func(), err error) {
	fd, err := lock(path, unix.O_RDONLY, unix.F_RDLCK)
	return func() { unix.Close(fd) }, err
}

// changing does something under a lock that nobody else has.
func changing(path string, change func() (changed bool, err error)) error {
	fd, err := lock(path, unix.O_RDWR, unix.F_WRLCK)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	changed, err := change()
	if err != nil || !changed {
		return err
	}
	other := make([]byte, 64)
	if _, err = unix.Getrandom(other, 0); err == nil {
		_, err = unix.Pwrite(fd, other, 0)
	}
	return err
}

// lock opens such a file, and waits until it has the lock. The lock is the descriptor's (F_OFD_SETLKW of fcntl(2), Linux 3.15) and
// not, as the library's, all of the process's, which lets go of it when it closes any descriptor of that file.
func lock(path string, access int, kind int16) (fd int, err error) {
	create := func() error {
		fd, err = unix.Open(path, access|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		return err
	}
	if errors.Is(create(), unix.ENOENT) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return -1, err
		}
		_ = create()
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLKW, &unix.Flock_t{Type: kind})
	}
	if err != nil {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return fd, nil
}
