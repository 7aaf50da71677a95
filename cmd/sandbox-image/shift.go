package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/idtools"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

// shiftCommand is for sandbox alone: it makes the copy of an image for containers in which the caller has another id.
func shiftCommand() *cobra.Command {
	var c container
	cmd := withStore("shift", "", cobra.NoArgs, func(s *opened, _ []string) error {
		keeper, err := image.ParseKeeper(c.keep)
		if err != nil || keeper == nil {
			return errors.Join(errors.New("whose ids are kept?"), err)
		}
		img, err := s.find(c.image)
		if err != nil {
			return err
		}
		return s.shift(img, keeper)
	})
	cmd.Hidden = true
	c.flags(cmd)
	return cmd
}

// shift makes it in a directory of another name, so that it is there as a whole or not at all.
func (s *opened) shift(img *image.Image, k *image.Keeper) error {
	ids, err := shifted(k)
	if err != nil {
		return err
	}
	room := s.found.ShiftedRoom()
	if err := os.MkdirAll(room, 0o700); err != nil {
		return err
	}
	unlock, err := lockRoom(room, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	to := filepath.Dir(s.found.ShiftedPath(img.ID, k))
	if _, err := os.Lstat(to); err == nil {
		return nil // somebody else has made it meanwhile
	}
	if err := dropHalves(room); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(room, half)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	root, drop, err := s.mountImage(img)
	if err != nil {
		return err
	}
	defer drop()
	diff := filepath.Join(temp, "diff")
	if err := os.Mkdir(diff, 0o755); err != nil {
		return err
	}
	if err := copyTree(diff, root, ids); err != nil {
		return fmt.Errorf("copy the image: %w", err)
	}
	return os.Rename(temp, to)
}

// half is how the names of copies begin that are being made, or were when somebody was killed.
const half = ".new-"

// lockRoom lets one at a time make a copy.
func lockRoom(room string, how int) (unlock func(), err error) {
	fd, err := unix.Open(room, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(fd, how); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return func() { unix.Close(fd) }, nil
}

// dropHalves removes what was left; the room is locked.
func dropHalves(room string) error {
	entries, err := os.ReadDir(room)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), half) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(room, e.Name())))
		}
	}
	return err
}

// mountImage opens an image as a container would see it, by fuse-overlayfs where that has made the layers.
func (s *opened) mountImage(img *image.Image) (root int, drop func(), err error) {
	layers, err := img.Layers(s.found)
	if err != nil {
		return -1, nil, err
	}
	if !layers.Foreign {
		root, err = s.mountAll(nil, layers.Dirs)
		return root, func() { unix.Close(root) }, err
	}
	place, err := s.MountImage(img.ID, nil, "")
	if err != nil {
		return -1, nil, err
	}
	root, err = unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		_, _ = s.UnmountImage(img.ID, true)
		return -1, nil, err
	}
	return root, func() {
		unix.Close(root)
		_, _ = s.UnmountImage(img.ID, true) // the mount is in a namespace of ours, and ends with that
	}, nil
}

// shifted are the owners of such a container's files as they are numbered here: our 0 is the caller, which is UID there, and the
// ids below that one follow.
func shifted(k *image.Keeper) (*idtools.IDMappings, error) {
	uids, err := around("/proc/self/uid_map", int(k.UID))
	if err != nil {
		return nil, err
	}
	gids, err := around("/proc/self/gid_map", int(k.GID))
	return idtools.NewIDMappingsFromMaps(uids, gids), err
}

func around(file string, kept int) ([]idtools.IDMap, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	count := 0 // of ids that we have, from 0 on
	for line := range strings.Lines(string(data)) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil {
			count = max(count, inside+size)
		}
	}
	if kept >= count {
		return nil, fmt.Errorf("%d ids are given to you, and %d is to be kept", count, kept)
	}
	maps := []idtools.IDMap{{ContainerID: kept, HostID: 0, Size: 1}}
	if kept > 0 {
		maps = append(maps, idtools.IDMap{ContainerID: 0, HostID: 1, Size: kept})
	}
	if rest := count - kept - 1; rest > 0 {
		maps = append(maps, idtools.IDMap{ContainerID: kept + 1, HostID: kept + 1, Size: rest})
	}
	return maps, nil
}

// dropShifted removes the copies of images that are gone.
func (s *opened) dropShifted() error {
	room := s.found.ShiftedRoom()
	entries, err := os.ReadDir(room)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if unlock, err := lockRoom(room, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		defer unlock()
		if err := dropHalves(room); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(room)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || s.Exists(image.ShiftedOf(e.Name())) {
			continue
		}
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
