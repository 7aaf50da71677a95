package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
)

// volumes finds the named volumes of a start. One that is new begins with what the image has in its place.
func (a *app) volumes(r *lifecycle.Runtime, f *runFlags) func(name, place string, copies bool) (string, error) {
	return func(name, place string, copies bool) (string, error) {
		store, err := a.imageStore(r)
		if err != nil {
			return "", err
		}
		path := store.VolumePath(name)
		if f.plans {
			if _, err := os.Lstat(path); err != nil || !image.VolumeName(name) {
				return "", fmt.Errorf("volume %s is not there, and a plan makes nothing: sandbox volume create %[1]s", name)
			}
			return path, nil
		}
		fresh, unlock, err := store.Volume(name)
		if err != nil {
			return "", err
		}
		defer unlock()
		if i := f.wish.Image; !fresh || !copies || i == nil || i.Files.Empty(place) {
			return path, nil
		}
		status, err := runImageProgram(r, nil, "fill", "--image="+f.layer.image, "--keep="+f.layer.keep.String(), "--", name, place)
		if err == nil && status != 0 {
			err = errors.New("what the image has there cannot be copied into the volume")
		}
		return path, err
	}
}

// volume are the commands about volumes. The files of one may belong to any of the caller's ids: the other program does the work.
func (a *app) volume(cmd *cobra.Command) {
	cmd.DisableFlagParsing = true
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.status = 125
		if len(args) > 0 && (args[0] == "rm" || args[0] == "prune") {
			if err := a.unusedVolumes(args[1:]); err != nil {
				return err
			}
		}
		return a.become("volume", args)
	}
}

// unusedVolumes refuses to go on where a container has one of these volumes.
func (a *app) unusedVolumes(names []string) error {
	r, err := a.runtime()
	if err != nil {
		return err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "-") || !image.VolumeName(name) {
			continue
		}
		if used := r.Mounting(store.VolumePath(name)); len(used) > 0 {
			a.status = 2 // podman's
			return fmt.Errorf("volume %s is being used by container %s: delete that first", name, strings.Join(used, ", "))
		}
	}
	return nil
}
