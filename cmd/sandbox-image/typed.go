package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openTyped opens a file or directory that somebody typed. A relative path begins where commands may have run: no link on it is
// followed, for one may lead to what is to be in no image.
func openTyped(path string) (*os.File, error) {
	if filepath.IsAbs(path) {
		return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err == unix.ELOOP {
		abs, _ := filepath.Abs(path)
		real, _ := filepath.EvalSymlinks(abs)
		return nil, fmt.Errorf("%s is %s behind a link, which a command that ran here before may have put there: if that is meant, write %[2]s", path, real)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// byDescriptor is a name by which what is open is opened once more.
func byDescriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
