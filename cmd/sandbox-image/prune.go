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

func pruneCommand() *cobra.Command {
	var all, force bool
	var filters []string
	cmd := withStore("prune [flags]", "Remove images that nothing uses", cobra.NoArgs, func(s *opened, _ []string) error {
		meant, err := s.meant(filters)
		if err != nil {
			return err
		}
		s.dropLeft()
		return s.prune(all, meant)
	})
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also those with a name")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for podman's callers: nobody is asked")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "only images of which `KEY=VALUE` holds: until or label")
	return cmd
}

// meant says of an image, by its id, whether all filters hold.
func (s *opened) meant(filters []string) (func(id string) bool, error) {
	found, err := s.found.Images()
	if err != nil {
		return nil, err
	}
	c := image.NewChosen(s.found, found)
	for _, f := range filters {
		if key, _, _ := strings.Cut(f, "="); !slices.Contains([]string{"until", "label", "label!"}, key) {
			return nil, fmt.Errorf("--filter %q: want until=TIME or label=KEY[=VALUE]", f)
		}
		if err := c.Filter(f); err != nil {
			return nil, err
		}
	}
	return func(id string) bool {
		return slices.ContainsFunc(found, func(i *image.Image) bool { return i.ID == id && c.Has(i) })
	}, nil
}

// prune removes images without a name, or all, that are meant and that no container uses. One that others were made of goes after
// them.
func (s *opened) prune(all bool, meant func(id string) bool) error {
	for {
		list, err := s.Store.Images()
		if err != nil {
			return err
		}
		removed := 0
		for _, i := range slices.Backward(list) {
			if i.ReadOnly || len(i.Names) > 0 && !all || !meant(i.ID) {
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
