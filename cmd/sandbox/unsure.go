package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

// A command that shares the working directory may leave a config.json there, with hooks that run outside, or a directory of an
// image's name. So a word that could be either is what nobody can have put there, or the caller says it.

// settleForm decides about such a word.
func (a *app) settleForm(cmd *cobra.Command, f *runFlags, args []string) (form, []string, error) {
	word := args[0]
	unsure := func(path, image string) (form, []string, error) {
		return 0, nil, &usageError{fmt.Errorf("%q could be either, and what lies here may be a command's: %s, or %s for the image", word, path, image), 125}
	}
	whole, known, err := a.knownImage(word)
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(word, "/") {
		if host, _, _ := strings.Cut(word, "/"); known || strings.ContainsAny(host, ".:") || host == "localhost" {
			return unsure("./"+word+" for the directory", "--rootfs left out where there is no such directory")
		}
		f.wish.Rootfs = word
		return formRootfs, args[1:], nil
	}
	switch typed := typedAbove(cmd); {
	case len(typed) > 0: // a bundle says all that itself
		f.image = word
		return formImage, args[1:], nil
	case known:
		return unsure("-b . for the bundle in this directory", whole)
	case isTerminal(0) && a.hasImages():
		return unsure("-b . for the bundle in this directory", "docker.io/library/"+word)
	}
	return formBundle, args, nil
}

// typedAbove are the flags that were typed and say what a bundle says itself.
func typedAbove(cmd *cobra.Command) (names []string) {
	var own runFlags
	bundles := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.bundleFlags.add(bundles)
	own.limitFlags.add(bundles, &own.wish)
	own.networkFlags.add(bundles)
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		global := cmd.InheritedFlags().Lookup(flag.Name) != nil
		if !global && bundles.Lookup(flag.Name) == nil && !slices.Contains([]string{"detach", "keep", "rm", "init"}, flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// knownImage says whether the store has an image of that name, and its whole one.
func (a *app) knownImage(word string) (whole string, known bool, err error) {
	r, err := a.runtime()
	if err != nil {
		return "", false, err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return "", false, nil //nolint:nilerr // then it has none
	}
	img, err := store.Find(word)
	var many *image.Ambiguous
	switch {
	case errors.As(err, &many):
		return word, true, nil
	case err != nil:
		return "", false, nil //nolint:nilerr // nor then
	}
	return img.Called(), true, nil
}

// hasImages says whether the caller uses images.
func (a *app) hasImages() bool {
	list, err := a.listImages(nil, &imagesFlags{all: true})
	return err == nil && len(list) > 0
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
