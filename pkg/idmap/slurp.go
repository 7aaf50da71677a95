package idmap

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// maxFile is the most that is read of a file, in bytes. A site with 500,000
// accounts has a /etc/subuid of about 12 MB.
const maxFile = 16 << 20

var errTooLong = fmt.Errorf("only the first %d bytes were read", maxFile)

// slurp reads a regular file up to maxFile bytes. Plain system calls: package os
// would set up its poller, for files that never block. O_NONBLOCK so that a fifo
// somebody put there is refused and not waited for.
func slurp(path string) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("looking at %s: %w", path, err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, fmt.Errorf("reading %s: not a regular file", path)
	}
	b, err := readAll(fd, st.Size)
	if err != nil {
		err = fmt.Errorf("reading %s: %w", path, err)
	}
	return b, err
}

func isMissing(err error) bool { return errors.Is(err, syscall.ENOENT) }

func readAll(fd int, size int64) ([]byte, error) {
	// procfs says 0; /proc/self/status is about 1.5 KB.
	b := make([]byte, 0, min(max(size+1, 4096), maxFile+1))
	for {
		n, err := syscall.Read(fd, b[len(b):cap(b)])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return b, err
		case n == 0:
			return b, nil
		}
		b = b[:len(b)+n]
		if len(b) >= maxFile {
			return b, errTooLong
		}
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
	}
}
