package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// roomName is the directory in which what containers change lies, in a store or elsewhere.
const roomName = "sandbox"

// Rooms are the directories in which what a container changes can lie, the better one first: beside the store, which is on a
// disk; and elsewhere where that is read-only or of a kind on which an overlay cannot stand. temp are those.
func (s *Store) Rooms(temp ...string) (rooms []string) {
	for _, dir := range append([]string{s.Graph}, nonEmpty(temp...)...) {
		rooms = append(rooms, filepath.Join(dir, roomName))
	}
	return rooms
}

// Room is the first of them that will do, made where it is not there yet.
func Room(rooms []string) (string, error) {
	var why error
	for _, dir := range rooms {
		err := room(dir)
		if err == nil {
			return dir, nil
		}
		why = errors.Join(why, err)
	}
	return "", fmt.Errorf("find room for what the container changes: %w", why)
}

func room(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	h, err := handle.OpenOwn(dir)
	if err != nil {
		return err
	}
	defer h.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(h.FD, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		return &os.PathError{Op: "write", Path: dir, Err: unix.EROFS}
	}
	switch int64(fs.Type) { //nolint:unconvert // 32 bits on other architectures
	case unix.OVERLAYFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, lustreMagic, unix.FUSE_SUPER_MAGIC:
		return fmt.Errorf("%s is on a file system on which no overlay can stand", dir)
	}
	return nil
}

// lustreMagic is of Lustre (statfs(2) does not have it).
const lustreMagic = 0x0BD00BD0

// MakeLayer makes the directories of one container in a room, by its name.
func MakeLayer(dir string, mode uint32) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, sub := range []string{"diff", "work"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	// The root of an overlay has the mode of its upper directory.
	return os.Chmod(filepath.Join(dir, "diff"), os.FileMode(mode&0o7777))
}

// RootMode is the mode of the image's root directory.
func (l Layers) RootMode() uint32 {
	var st unix.Stat_t
	if len(l.Dirs) == 0 || unix.Stat(l.Dirs[0], &st) != nil {
		return 0o755
	}
	return st.Mode
}

// Put writes a file into a layer that nobody has mounted yet. The directories on its way show what the layers below have in them,
// with the mode that they usually have.
func Put(upper, path string, data []byte) error {
	dir, name := filepath.Split(filepath.Clean("/" + path))
	at := upper
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		at = filepath.Join(at, part)
		if err := os.Mkdir(at, 0o700); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := os.Chmod(at, 0o755); err != nil {
			return err
		}
	}
	file := filepath.Join(at, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	return os.Chmod(file, 0o644)
}
