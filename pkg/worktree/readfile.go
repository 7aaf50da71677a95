package worktree

import (
	"errors"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// mostRead bounds what is read of a file that somebody else may have written, in bytes.
const mostRead = 256 << 10

var errTooLarge = errors.New("larger than any such file")

// readBelow reads a regular file below a directory; a link is not followed, a FIFO not waited for.
func readBelow(dir *handle.Handle, name string) ([]byte, error) {
	return readUpTo(dir, name, mostRead, noLinks)
}

// noLinks keeps a path below its directory, and from links.
const noLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS

// readUpTo is that with a bound, and ways to go, of its own.
func readUpTo(dir *handle.Handle, name string, most int, resolve uint64) ([]byte, error) {
	fd, err := dir.OpenAt(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, resolve)
	if errors.Is(err, unix.EAGAIN) {
		// Somebody has a lease on it (fcntl(2), F_SETLEASE), to keep us from reading; the kernel takes it away from who
		// does not give it up, and waits for that in an open that may wait. Of a file that is a file only.
		var st unix.Stat_t
		if unix.Fstatat(dir.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			fd, err = dir.OpenAt(name, unix.O_RDONLY|unix.O_NOCTTY, resolve)
		}
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readFD(fd, most)
}

// readHandle is that for a file that is open, and only to be read by its name in /proc.
func readHandle(h *handle.Handle, most int) ([]byte, error) {
	if h.Kind() != unix.S_IFREG {
		return nil, unix.EINVAL
	}
	fd, err := unix.Open(h.Name(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == unix.EAGAIN { // a lease, as above
		fd, err = unix.Open(h.Name(), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readFD(fd, most)
}

func readFD(fd, most int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, unix.EINVAL
	}
	data := make([]byte, 0, min(st.Size, int64(most))+512)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return data, nil
		}
		if data = data[:len(data)+n]; len(data) > most {
			return nil, errTooLarge
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// entry is one name in a directory.
type entry struct {
	name string
	kind uint8 // DT_DIR and so on, getdents(2); DT_UNKNOWN where the file system does not say
}

// list reads the names in a directory.
func list(dir *handle.Handle, buf []byte) ([]entry, error) {
	fd, err := dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return listFD(fd, buf)
}

// listFD is that for an open directory. buf is where the kernel writes them.
func listFD(fd int, buf []byte) (entries []entry, err error) {
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return entries, err
		}
		for rest := buf[:n]; len(rest) >= 19; {
			// struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name (getdents(2)).
			size := int(rest[16]) | int(rest[17])<<8
			if size < 20 || size > len(rest) {
				return entries, unix.EIO
			}
			name := rest[19:size]
			for i, c := range name {
				if c == 0 {
					name = name[:i]
					break
				}
			}
			if s := string(name); s != "." && s != ".." {
				entries = append(entries, entry{s, rest[18]})
			}
			rest = rest[size:]
		}
	}
}
