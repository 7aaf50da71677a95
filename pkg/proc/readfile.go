package proc

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

const maxRead = 16 << 20

// ErrTooLarge is a file of which nobody reads all.
var ErrTooLarge = errors.New("larger than 16 MiB")

// ReadFile reads a file of at most 16 MiB; a larger one is ErrTooLarge. It uses plain system calls: os.File would start the runtime's poller for
// a file in /proc, which Self pays on every start. O_NONBLOCK because a fake or
// masked root may hold a fifo where a file was.
func ReadFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if Opened(err) != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	data := make([]byte, 0, 4096)
	for {
		if len(data) >= maxRead {
			return nil, &os.PathError{Op: "read", Path: path, Err: ErrTooLarge}
		}
		data = slices.Grow(data, max(2048, len(data)))
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
}
