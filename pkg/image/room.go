package image

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// roomName is the directory of a store in which what containers change lies.
const roomName = "sandbox"

// RoomPath is that directory.
func (s *Store) RoomPath() string { return filepath.Join(s.Graph, roomName) }

// Room opens it, made where it is not there yet. An error is a store that cannot be written to, or lies on a kind of file system
// on which an overlay cannot stand.
func (s *Store) Room() (*handle.Handle, error) {
	if err := os.MkdirAll(s.Graph, 0o700); err != nil {
		return nil, err
	}
	return openRoom(s.RoomPath())
}

// TempRoomName is how a room is called that is not a store's.
const TempRoomName = "sandbox@layers"

// TempRoom opens one in another directory, which has to be the caller's alone.
func TempRoom(temp string) (*handle.Handle, error) {
	if !filepath.IsAbs(temp) {
		return nil, &os.PathError{Op: "open", Path: temp, Err: os.ErrNotExist}
	}
	return openRoom(filepath.Join(temp, TempRoomName))
}

func openRoom(dir string) (*handle.Handle, error) {
	made := os.Mkdir(dir, 0o700)
	if made != nil && !errors.Is(made, os.ErrExist) {
		return nil, made
	}
	h, err := handle.OpenOwn(dir)
	if err == nil {
		if err = carries(h); err != nil {
			h.Close()
		}
	}
	if err != nil {
		if made == nil {
			_ = os.Remove(dir)
		}
		return nil, err
	}
	return h, nil
}

func carries(h *handle.Handle) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(h.FD, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: h.Path, Err: err}
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		return &os.PathError{Op: "write", Path: h.Path, Err: unix.EROFS}
	}
	switch int64(fs.Type) { //nolint:unconvert // 32 bits on other architectures
	case unix.OVERLAYFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, lustreMagic, unix.FUSE_SUPER_MAGIC:
		return fmt.Errorf("%s is on a file system on which no overlay can stand", h.Path)
	}
	return nil
}

// lustreMagic is of Lustre (statfs(2) does not have it).
const lustreMagic = 0x0BD00BD0

// MakeLayer makes the directories of one container in a room, by its name, and opens the one for what it changes. Link is the name
// of a link beside them, and its text.
func MakeLayer(room *handle.Handle, name string, mode uint32, link [2]string) (upper *handle.Handle, err error) {
	if err := unix.Mkdirat(room.FD, name, 0o700); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(room.Path, name), Err: err}
	}
	dir, err := room.Beneath(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	for _, sub := range []string{"diff", "work"} {
		if err := unix.Mkdirat(dir.FD, sub, 0o700); err != nil {
			return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(dir.Path, sub), Err: err}
		}
	}
	if err := unix.Symlinkat(link[1], dir.FD, link[0]); err != nil {
		return nil, &os.PathError{Op: "symlink", Path: filepath.Join(dir.Path, link[0]), Err: err}
	}
	if upper, err = dir.Beneath("diff"); err != nil {
		return nil, err
	}
	// The root of an overlay has the mode of its upper directory.
	if err := os.Chmod(upper.Name(), os.FileMode(mode&0o7777)); err != nil {
		upper.Close()
		return nil, err
	}
	return upper, nil
}

// Changed opens what a container has changed, by the name of its layer and the path of its room, "" for the store's.
func (s *Store) Changed(room, name string) (*handle.Handle, error) {
	at, err := handle.OpenOwn(cmp.Or(room, s.RoomPath()))
	if err != nil {
		return nil, err
	}
	defer at.Close()
	return at.Beneath(filepath.Join(filepath.Base(name), "diff"))
}

// RootMode is the mode of the image's root directory.
func (l Layers) RootMode() uint32 {
	var st unix.Stat_t
	if len(l.Dirs) == 0 || unix.Stat(l.Dirs[0], &st) != nil {
		return 0o755
	}
	return st.Mode
}

// Owner is that of the image's root directory.
func (l Layers) Owner() (uid, gid uint32, known bool) {
	var st unix.Stat_t
	known = len(l.Dirs) > 0 && unix.Stat(l.Dirs[0], &st) == nil
	return st.Uid, st.Gid, known
}

// Put writes a file into a layer that nobody has mounted yet. The directories on its way show what the layers below have in them,
// with the mode that they usually have.
func Put(upper *handle.Handle, path string, data []byte) error {
	dir, name := filepath.Split(filepath.Clean("/" + path))
	at := upper.Name()
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
