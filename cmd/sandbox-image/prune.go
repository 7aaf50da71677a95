package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"go.podman.io/storage"
)

func pruneCommand() *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{Use: "prune [flags]", Short: "Remove images that nothing uses", Args: cobra.NoArgs}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also those with a name")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for podman's callers: nobody is asked")
	cmd.RunE = func(*cobra.Command, []string) error {
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		return s.prune(all)
	}
	return cmd
}

// prune removes images without a name, or all, that no container uses. One that others were made of goes after them.
func (s *opened) prune(all bool) error {
	for {
		list, err := s.Store.Images()
		if err != nil {
			return err
		}
		removed := 0
		for _, i := range slices.Backward(list) {
			if i.ReadOnly || len(i.Names) > 0 && !all {
				continue
			}
			gone, err := s.drop(i.ID)
			if err != nil {
				return err
			}
			removed += gone
		}
		if removed == 0 {
			return s.dropShifted()
		}
	}
}

// drop removes an image that nobody uses, and says how many that were.
func (s *opened) drop(id string) (int, error) {
	_, err := s.DeleteImage(id, true)
	switch {
	case errors.Is(err, storage.ErrImageUsedByContainer):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("%s: %w", id, err)
	}
	fmt.Println(id)
	return 1, nil
}
