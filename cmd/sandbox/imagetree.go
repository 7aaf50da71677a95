package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sandbox/pkg/printable"
)

// imageTree is podman's `image tree`: the layers of an image, the lowest first, and which images end with one.
func (a *app) imageTree(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		img, _, sizes, err := a.oneImage(args[0])
		if err != nil {
			return err
		}
		others, err := a.store.Images()
		if err != nil {
			return err
		}
		ends := map[string][]string{}
		for _, i := range others {
			ends[i.Top] = append(ends[i.Top], i.Names...)
		}
		fmt.Printf("Image ID: %s\nTags:     [%s]\nSize:     %s\nImage Layers\n", img.ID[:12], printable.Text(strings.Join(img.Names, " ")), decimal(sizes.Of(img)))
		chain := sizes.Chain(img)
		for n, l := range slices.Backward(chain) {
			branch, top := "├──", ""
			if n == 0 {
				branch = "└──"
			}
			if names := ends[l.ID]; len(names) > 0 {
				top = " Top Layer of: [" + printable.Text(strings.Join(names, " ")) + "]"
			}
			fmt.Printf("%s ID: %.12s Size: %6s%s\n", branch, l.ID, decimal(l.Size), top)
		}
		return nil
	}
}
