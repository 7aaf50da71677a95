package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.podman.io/storage"

	"sandbox/pkg/image"
)

func tagCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tag IMAGE NAME...", Short: "Give an image more names", Args: cobra.MinimumNArgs(2)}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		names, err := allWhole(args[1:])
		if err != nil {
			return err
		}
		return named(args[0], func(s *opened, img *image.Image) error { return s.AddNames(img.ID, names) })
	}
	return cmd
}

// allWhole are names that are to be given.
func allWhole(typed []string) (names []string, err error) {
	for _, t := range typed {
		name, err := whole(t)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func untagCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "untag IMAGE [NAME...]", Short: "Take names from an image, all where none is said", Args: cobra.MinimumNArgs(1)}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return named(args[0], func(s *opened, img *image.Image) error {
			if len(args) == 1 {
				return s.RemoveNames(img.ID, img.Names)
			}
			var names []string
			for _, n := range args[1:] {
				at := slices.IndexFunc(s.regs.Candidates(n), func(c string) bool { return slices.Contains(img.Names, c) })
				if at < 0 {
					return fmt.Errorf("%s: tag not known", n)
				}
				names = append(names, s.regs.Candidates(n)[at])
			}
			return s.RemoveNames(img.ID, names)
		})
	}
	return cmd
}

// named calls f with an image of the store that somebody typed.
func named(typed string, f func(*opened, *image.Image) error) error {
	s, err := openStore()
	if err != nil {
		return err
	}
	defer s.Free()
	img, err := s.find(typed)
	if err != nil {
		return err
	}
	return f(s, img)
}

func rmiCommand() *cobra.Command {
	var all, force, ignore bool
	cmd := withStore("rmi [flags] IMAGE...", "Remove images", cobra.ArbitraryArgs, func(s *opened, args []string) error {
		if all {
			var err error
			if args, err = s.removable(args); err != nil {
				return err
			}
		} else if len(args) == 0 {
			return errors.New("image name or ID must be specified")
		}
		return s.remove(args, force || all, force || ignore)
	})
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all images")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also images with several names; one that does not exist is no error")
	accepted(cmd, "no-prune")
	cmd.Flags().BoolVarP(&ignore, "ignore", "i", false, "one that does not exist is no error")
	return cmd
}

// removable are the ids of all images that can be removed; nothing was to be typed then.
func (s *opened) removable(typed []string) (ids []string, err error) {
	if len(typed) > 0 {
		return nil, errors.New("--all and names of images say different things")
	}
	list, err := s.found.Images()
	for _, i := range list {
		if !i.ReadOnly {
			ids = append(ids, i.ID)
		}
	}
	return ids, err
}

// remove removes images, or one of several names of an image. Statuses are podman's: 1 where one does not exist, 2 where one is
// used by a container or has images made of it.
func (s *opened) remove(args []string, force, ignore bool) error {
	var failed error
	status := 0
	for _, arg := range args {
		img, err := s.find(arg)
		if errors.Is(err, image.ErrUnknown) && ignore {
			continue
		}
		if err == nil {
			err = s.removeOne(img, arg, force)
		}
		switch {
		case err == nil:
		case errors.Is(err, image.ErrUnknown):
			status = max(status, 1)
		case errors.Is(err, storage.ErrImageUsedByContainer):
			status = max(status, 2)
		default:
			status = max(status, 125)
		}
		failed = errors.Join(failed, err)
	}
	dropped := s.dropShifted()
	if failed != nil {
		return &exitError{oneLine(failed), status}
	}
	return dropped
}

func (s *opened) removeOne(img *image.Image, typed string, force bool) error {
	byID := strings.HasPrefix(img.ID, strings.TrimPrefix(typed, "sha256:"))
	if !byID && len(img.Names) > 1 {
		for _, c := range s.regs.Candidates(typed) {
			if slices.Contains(img.Names, c) {
				fmt.Println("Untagged: " + c)
				return s.RemoveNames(img.ID, []string{c})
			}
		}
	}
	if len(img.Names) > 1 && !force {
		return fmt.Errorf("unable to delete image %q by ID with more than one tag (%s): please force removal", img.ID, strings.Join(img.Names, ", "))
	}
	if _, err := s.DeleteImage(img.ID, true); err != nil {
		return fmt.Errorf("%s: %w", typed, err)
	}
	for _, n := range img.Names {
		fmt.Println("Untagged: " + n)
	}
	fmt.Println("Deleted: " + img.ID)
	return nil
}
