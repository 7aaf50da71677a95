package state

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// StandIn is the path of a file of the container's own directory, for a plan that is only
// printed: a file of a kind that nobody makes.
func (r *Root) StandIn(paths handle.Set, kind uint32, id string, names ...string) string {
	path := filepath.Join(append([]string{r.Path, id}, names...)...)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	paths.Add(path, &handle.Handle{FD: -1, Mode: kind, Path: path})
	return path
}

// Show opens what we show a container, and returns its path. The child has to look that up again, in its own mount
// namespace, and must not take anything else for it that somebody has put in its way.
func Show(paths handle.Set, dir *os.File, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir.Name(), name))
	if err != nil {
		return "", err
	}
	h, err := handle.At(int(dir.Fd()), name, path)
	if err != nil {
		return "", err
	}
	if NotOurs(&unix.Stat_t{Uid: h.UID, Mode: h.Mode}) != "" || h.Kind() != unix.S_IFREG && h.Kind() != unix.S_IFDIR {
		h.Close()
		return "", ErrUnfit
	}
	paths.Add(path, h)
	return path, nil
}
