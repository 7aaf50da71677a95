package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Volumes are directories that outlive containers, by names. They lie where podman has its own (volume_path of
// containers.conf(5), unless somebody changes it): volumes/NAME/_data in the store. What podman writes down of its volumes
// besides, in a database, is its own.

// VolumeName says whether a word names one, as podman has it.
func VolumeName(word string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return word != "" && len(word) <= unix.NAME_MAX && strings.Contains(first, word[:1]) && strings.Trim(word, first+"_.-") == ""
}

// VolumesPath is where all of them are.
func (s *Store) VolumesPath() string { return filepath.Join(s.Graph, "volumes") }

// VolumePath is the directory with what is in one.
func (s *Store) VolumePath(name string) string { return filepath.Join(s.VolumesPath(), name, "_data") }

// Volume makes a volume unless it is there, and locks it: until unlock nobody else fills it. A volume that has nothing in it is
// fresh.
func (s *Store) Volume(name string) (fresh bool, unlock func(), err error) {
	if !VolumeName(name) {
		return false, nil, fmt.Errorf("%q is no name of a volume: letters, digits and _.- that begin with a letter or digit", name)
	}
	data := s.VolumePath(name)
	dir := filepath.Dir(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, nil, err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	unlock = func() { unix.Close(fd) }
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(fd, unix.LOCK_EX)
	}
	if err == nil {
		fresh, err = makeData(data)
	}
	if err != nil {
		unlock()
		return false, nil, fmt.Errorf("volume %s: %w", name, err)
	}
	return fresh, unlock, nil
}

// makeData makes the directory itself, and says whether nothing is in it. One that we cannot look into has been used.
func makeData(data string) (empty bool, err error) {
	switch err := os.Mkdir(data, 0o700); {
	case err == nil:
		return true, os.Chmod(data, 0o755)
	case !errors.Is(err, os.ErrExist):
		return false, err
	}
	if err := isDir(data); err != nil {
		return false, err
	}
	names, err := os.ReadDir(data)
	if errors.Is(err, os.ErrPermission) {
		return false, nil
	}
	return len(names) == 0, err
}
