package cgroup2

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mount is where hosts mount cgroup v2.
const Mount = "/sys/fs/cgroup"

// Group is one cgroup.
type Group struct {
	Mount string // where the hierarchy is mounted
	Path  string // in the hierarchy, absolute, as /proc/PID/cgroup shows it
}

// Dir is the group's directory.
func (g Group) Dir() string { return filepath.Join(g.Mount, g.Path) }

func (g Group) file(name string) string { return filepath.Join(g.Mount, g.Path, name) }

// readFile is os.ReadFile without what package os sets up for a file that could be
// waited for: an epoll and often a thread, for one line of text.
func readFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	data := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		}
		if data = data[:len(data)+n]; len(data) == cap(data) {
			data = append(data, 0)[:len(data)] // more room
		}
	}
}
