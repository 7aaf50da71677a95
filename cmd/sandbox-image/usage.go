package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/directory"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

// usageCommand is for sandbox alone: what the layers of containers and volumes take, as JSON.
func usageCommand() *cobra.Command {
	cmd := withStore("usage", "", cobra.NoArgs, func(s *opened, _ []string) error {
		layers, err := sizesIn(s.found.RoomPath(), "diff")
		if err != nil {
			return err
		}
		volumes, err := sizesIn(s.found.VolumesPath(), "_data")
		if err != nil {
			return err
		}
		return printJSON(image.Usage{Layers: layers, Volumes: volumes})
	})
	cmd.Hidden = true
	return cmd
}

// sizesIn are the sizes of a directory's directories, of what they have under a name.
func sizesIn(dir, below string) (map[string]int64, error) {
	sizes := map[string]int64{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		n, err := directory.Size(filepath.Join(dir, e.Name(), below))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue // it has ended, or is nothing of ours
		}
		if err != nil {
			return nil, err
		}
		sizes[e.Name()] = n
	}
	return sizes, nil
}
