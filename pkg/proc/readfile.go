package proc

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

const maxRead = 16 << 20

// ReadFile reads at most 16 MiB of a file. It uses plain system calls: os.File would start the runtime's poller for
// a file in /proc, which Self pays on every start. O_NONBLOCK because a fake or
// masked root may hold a fifo where a file was.
func ReadFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	data := make([]byte, 0, 4096)
	for len(data) < maxRead {
		data = slices.Grow(data, 2048)
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		default:
			data = data[:len(data)+n]
		}
	}
	return data, nil
}
