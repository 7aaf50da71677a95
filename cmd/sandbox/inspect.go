package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sandbox/pkg/image"
)

// oneImage is an image that somebody typed, with what is known of it.
func (a *app) oneImage(typed string) (*image.Image, *image.Config, *image.Sizes, error) {
	r, err := a.runtime()
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return nil, nil, nil, err
	}
	img, err := store.Find(typed)
	if err != nil {
		return nil, nil, nil, err
	}
	conf, err := img.Config()
	if err != nil {
		return nil, nil, nil, err
	}
	sizes, err := store.Sizes()
	return img, conf, sizes, err
}

func (a *app) inspect(cmd *cobra.Command) {
	cmd.Args = cobra.MinimumNArgs(1)
	format := templateFlag(cmd, "f")
	kind := cmd.Flags().StringP("type", "t", "image", "`TYPE` image")
	cmd.Flags().BoolP("size", "s", false, "accepted for podman's callers: the size is always there")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if *kind != "image" && *kind != "all" {
			return fmt.Errorf("--type %q: want image; `sandbox state ID` says what a container is", *kind)
		}
		all := make([]image.Inspected, 0, len(args))
		for _, arg := range args {
			img, conf, sizes, err := a.oneImage(arg)
			if errors.Is(err, image.ErrUnknown) {
				err = fmt.Errorf("%w (`sandbox state ID` says what a container is)", err)
			}
			if err != nil {
				return err
			}
			all = append(all, inspectedOf(img, conf, sizes))
		}
		if format.isTemplate() {
			return a.templated("inspect", format, all)
		}
		return printJSON(all)
	}
}

func inspectedOf(img *image.Image, conf *image.Config, sizes *image.Sizes) image.Inspected {
	i := image.Inspected{
		ID: img.ID, Digest: img.Digest, RepoTags: img.Names, Created: conf.Created, Author: conf.Author, Architecture: conf.Architecture,
		Os: conf.OS, Size: sizes.Of(img), VirtualSize: sizes.Of(img), Config: conf.Config, User: conf.Config.User, Labels: conf.Config.Labels, History: conf.History,
	}
	i.RootFS.Type, i.RootFS.Layers = conf.RootFS.Type, conf.RootFS.DiffIDs
	for _, name := range img.Names {
		if repo := name[:max(strings.LastIndex(name, ":"), 0)]; repo != "" && img.Digest != "" {
			i.RepoDigests = append(i.RepoDigests, repo+"@"+img.Digest)
		}
	}
	return i
}
