package spec

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// maxRegular bounds what readRegular reads, in bytes. The largest real configurations carry a seccomp
// profile and a few hundred mounts: about 200 KiB. Of an --env-file execve(2) takes 2 MiB or so.
const maxRegular = 8 << 20

// readRegular reads a file that somebody else may have put there: a FIFO must not hang us, /dev/zero
// must not fill the memory. O_NONBLOCK has no effect on regular files (open(2)). Plain descriptors
// instead of os.File, which would set up the poller for one read.
func readRegular(path string) ([]byte, error) { return readRegularAt(unix.AT_FDCWD, path, path) }

// readRegularAt is that for a name in an open directory; path is for messages.
func readRegularAt(dir int, name, path string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if proc.Opened(err) != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return readOpen(fd, path, maxRegular, false)
}

// readTyped reads a file that the caller has named path and that at leads to, which may be a pipe: of a shell, <(command).
func readTyped(at, path string) ([]byte, error) {
	fd, err := unix.Open(at, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if proc.Opened(err) != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	// A pipe that somebody has open for writing is waited for; of any other the end is read at once.
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	data, err := readOpen(fd, path, maxRegular, true)
	var st unix.Stat_t
	if err == nil && len(data) == 0 && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		err = fmt.Errorf("%s is a pipe, and nobody has written to it", path)
	}
	return data, err
}

// readOpen reads what fd is open on; path is for messages.
func readOpen(fd int, path string, limit int64, pipe bool) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && !(pipe && kind == unix.S_IFIFO) {
		return nil, fmt.Errorf("%s is %s, want a regular file", path, kindOf(st.Mode))
	}
	if st.Size > limit {
		return nil, tooLarge(path, st.Size, limit)
	}
	// The file may grow while it is read, and files of /proc say size 0: the read decides, not the stat.
	data := make([]byte, 0, st.Size+512)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		}
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, tooLarge(path, int64(len(data)), limit)
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

func tooLarge(path string, size, limit int64) error {
	return fmt.Errorf("%s is too large: it has %d bytes, at most %d are read", path, size, limit)
}

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFREG:
		return "a file"
	}
	return "of an unknown kind"
}
