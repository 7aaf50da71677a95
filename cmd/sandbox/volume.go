package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
)

// volumes finds the named volumes of a start. A new one begins with what the image has in its place. They are locked until the
// container is written down.
func (a *app) volumes(r *lifecycle.Runtime, f *runFlags) func(name, place string, copies bool) (string, error) {
	return func(name, place string, copies bool) (string, error) {
		store, err := a.imageStore(r)
		if err != nil {
			return "", err
		}
		path := store.VolumePath(name)
		if f.plans {
			if !store.HasVolume(name) {
				return "", fmt.Errorf("volume %s is not there, and a plan makes nothing: sandbox volume create %[1]s", name)
			}
			return path, nil
		}
		if slices.ContainsFunc(f.volumes, func(v *image.Volume) bool { return v.Name == name }) {
			return path, nil // in two places
		}
		for range 100 {
			if err = f.beginVolume(r, store, name, place, copies); !errors.Is(err, unix.ENOENT) {
				break
			}
		}
		return path, err
	}
}

// beginVolume locks one; ENOENT is one that was removed meanwhile.
func (f *runFlags) beginVolume(r *lifecycle.Runtime, store *image.Store, name, place string, copies bool) error {
	v, err := store.Volume(name)
	if err != nil {
		return err
	}
	if v.Fresh && copies && f.isDirInImage(place) {
		err = f.fill(r, name, place)
	}
	if err == nil {
		err = v.Begin()
	}
	if errors.Is(err, unix.ENOENT) {
		v.Unlock()
		return err
	}
	f.volumes = append(f.volumes, v) // the end of the start unlocks it
	return err
}

func (f *runFlags) isDirInImage(place string) bool {
	if f.wish.Image == nil {
		return false
	}
	fd, err := f.wish.Image.Files.Open(place, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil || errors.Is(err, unix.EACCES) // another id's, who has all of them can look
}

func (f *runFlags) fill(r *lifecycle.Runtime, name, place string) error {
	status, err := runImageProgram(r, nil, "fill", "--image="+f.layer.image, "--keep="+f.layer.keep.String(), "--", name, place)
	if err == nil && status != 0 {
		err = fmt.Errorf("what the image has at %s cannot be copied into volume %s", place, name)
	}
	return err
}

// leaveVolumes lets go of them. One that was made for a start that has failed goes.
func (f *runFlags) leaveVolumes(failed bool) {
	for _, v := range f.volumes {
		if failed {
			v.Undo()
		}
		v.Unlock()
	}
	f.volumes = nil
}

// volume are the commands about volumes. The files of one may belong to any of the caller's ids: the other program does the work.
func (a *app) volume(cmd *cobra.Command) {
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		verb := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
		switch {
		case slices.Contains(args, "-h") || slices.Contains(args, "--help"):
		case verb < 0:
			return &usageError{errors.New("volume takes a command: create, ls, inspect, exists, rm or prune"), podmanFailed}
		case args[verb] == "prune":
			return a.pruneAsked(args[verb+1:])
		case args[verb] == "rm":
			locked, err := a.unusedVolumes(args[verb+1:])
			if err != nil {
				return err
			}
			args = append([]string{"rm"}, locked...)
		case strings.Contains(strings.Join(args, " "), "dangling"):
			free, err := a.freeVolumes()
			if err != nil {
				return err
			}
			args = append(args, free...)
		}
		return a.become("volume", args)
	}
}

// unusedVolumes locks volumes that are to be removed; a container that starts waits until they are gone. It refuses to go on where
// one has any. Of what is not there the other program is told as such: it may come to be there meanwhile.
func (a *app) unusedVolumes(words []string) (args []string, err error) {
	r, err := a.runtime()
	if err != nil {
		return nil, err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		switch {
		case saysAll(word):
			all, err := a.unusedVolumes(store.OwnVolumes())
			if err != nil {
				return nil, err
			}
			args = append(append(args, word), all...)
			continue
		case strings.HasPrefix(word, "-"):
			args = append(args, word)
			continue
		case !store.OwnVolume(word):
			args = append(args, "--absent="+word)
			continue
		}
		if used, err := lockUnused(r, store, word); err != nil {
			return nil, err
		} else if len(used) > 0 {
			a.status = 2 // podman's
			return nil, fmt.Errorf("volume %s is being used by container %s: delete that first", word, strings.Join(used, ", "))
		}
		args = append(args, word)
	}
	return args, nil
}

// saysAll says whether a word is --all, or has its letter.
func saysAll(word string) bool {
	letters, ok := strings.CutPrefix(word, "-")
	return word == "--all" || ok && strings.Contains(letters, "a") && strings.Trim(letters, "af") == ""
}

// freeVolumes are those that no container has, in the words of the other program, which does not know containers.
func (a *app) freeVolumes() (words []string, err error) {
	r, err := a.runtime()
	if err != nil {
		return nil, err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return nil, err
	}
	for _, name := range store.OwnVolumes() {
		if len(r.Mounting(store.VolumePath(name))) == 0 {
			words = append(words, "--free="+name)
		}
	}
	return words, nil
}

// lockUnused locks a volume for the program that this one becomes or starts, and says which containers have it.
func lockUnused(r *lifecycle.Runtime, store *image.Store, name string) (used []string, err error) {
	v, err := store.Volume(name)
	if err != nil {
		return nil, err
	}
	if used = r.Mounting(store.VolumePath(name)); len(used) > 0 {
		v.Unlock()
		return used, nil
	}
	return nil, v.Inherit()
}

func (a *app) pruneAsked(flags []string) error {
	r, err := a.runtime()
	if err != nil {
		return err
	}
	switch force := slices.Contains(flags, "-f") || slices.Contains(flags, "--force"); {
	case len(flags) > 1 || len(flags) == 1 && !force:
		return &usageError{errors.New("volume prune takes --force and nothing else"), podmanFailed}
	case !force && !confirmed("all volumes that no container has"):
		return nil
	}
	return a.pruneVolumes(r)
}

// pruneVolumes removes those of ours that no container has.
func (a *app) pruneVolumes(r *lifecycle.Runtime) error {
	store, err := a.imageStore(r)
	if err != nil {
		return err
	}
	if err := store.DropHalfVolumes(); err != nil {
		return err
	}
	args := []string{"volume", "rm", "--force", "--"}
	none := len(args)
	for _, name := range store.OwnVolumes() {
		used, err := lockUnused(r, store, name)
		if err != nil {
			return err
		}
		if len(used) == 0 {
			args = append(args, name)
		}
	}
	if len(args) == none {
		return nil
	}
	if status, err := runImageProgram(r, os.Stdout, args...); err != nil || status != 0 {
		return errors.Join(err, errors.New("some volumes stay"))
	}
	return nil
}
