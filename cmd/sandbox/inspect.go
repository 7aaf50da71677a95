package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

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

// inspected is an image as podman shows it.
type inspected struct {
	ID           string            `json:"Id"`
	Digest       string            `json:"Digest"`
	Tags         []string          `json:"RepoTags"`
	Digests      []string          `json:"RepoDigests"`
	Created      time.Time         `json:"Created"`
	Author       string            `json:"Author"`
	Architecture string            `json:"Architecture"`
	OS           string            `json:"Os"`
	Size         int64             `json:"Size"`
	Config       image.Process     `json:"Config"`
	User         string            `json:"User"`
	Labels       map[string]string `json:"Labels"`
	RootFS       struct {
		Type   string   `json:"Type"`
		Layers []string `json:"Layers"`
	} `json:"RootFS"`
	History []image.History `json:"History"`
}

func (a *app) inspect(cmd *cobra.Command) {
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.status = 125
		all := make([]inspected, 0, len(args))
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
		return printJSON(all)
	}
}

func inspectedOf(img *image.Image, conf *image.Config, sizes *image.Sizes) inspected {
	i := inspected{
		ID: img.ID, Digest: img.Digest, Tags: img.Names, Created: conf.Created, Author: conf.Author, Architecture: conf.Architecture,
		OS: conf.OS, Size: sizes.Of(img), Config: conf.Config, User: conf.Config.User, Labels: conf.Config.Labels, History: conf.History,
	}
	i.RootFS.Type, i.RootFS.Layers = conf.RootFS.Type, conf.RootFS.DiffIDs
	for _, name := range img.Names {
		if repo := name[:max(strings.LastIndex(name, ":"), 0)]; repo != "" && img.Digest != "" {
			i.Digests = append(i.Digests, repo+"@"+img.Digest)
		}
	}
	return i
}
