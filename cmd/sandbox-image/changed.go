package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/idtools"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/image"
	"sandbox/pkg/printable"
)

// container is one of an image, as far as the store knows it: sandbox says which.
type container struct {
	layer, room string // what it has changed: a name in a directory, "" for the store's
	image       string
	keep        string // the caller's ids in it, where those are not 0:0 (image.Keeper)
}

// flags adds the words that nobody types.
func (c *container) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.layer, "layer", "", "what the container has changed")
	f.StringVar(&c.room, "room", "", "where that is")
	f.StringVar(&c.image, "image", "", "the image of it")
	f.StringVar(&c.keep, "keep", "", "the caller's ids in it")
	for _, name := range []string{"layer", "room", "image", "keep"} {
		_ = f.MarkHidden(name)
	}
}

// below is the image of it, with the directories of its layers.
func (c *container) below(s *opened) (*image.Image, []string, error) {
	img, err := s.find(c.image)
	if err != nil {
		return nil, nil, fmt.Errorf("the image that the container is of: %w", err)
	}
	keeper, err := image.ParseKeeper(c.keep)
	if err != nil {
		return nil, nil, err
	}
	layers, _, err := img.LayersFor(s.found, keeper)
	return img, layers.Dirs, err
}

// owners are how those of the container's files are numbered here.
func (c *container) owners() (*idtools.IDMappings, error) {
	keeper, err := image.ParseKeeper(c.keep)
	if err != nil || keeper == nil {
		return &idtools.IDMappings{}, err
	}
	return shifted(keeper)
}

// enter makes what it has changed the working directory: the container may run, and exchange what it likes below that.
func (c *container) enter(s *opened) error {
	dir, err := s.found.Changed(c.room, c.layer)
	if err != nil {
		return fmt.Errorf("what the container has changed: %w", err)
	}
	defer dir.Close()
	return unix.Fchdir(dir.FD)
}

func diffCommand() *cobra.Command {
	var c container
	var format string
	cmd := withStore("diff [flags] ID|IMAGE", "", cobra.NoArgs, func(s *opened, _ []string) error {
		if format != "" && format != "json" {
			return fmt.Errorf("--format %q: want json", format)
		}
		list, err := c.changes(s)
		if err != nil {
			return err
		}
		return printChanges(list, format)
	})
	c.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT` json")
	return cmd
}

// changes are those of a container, or without one of an image's topmost layer.
func (c *container) changes(s *opened) ([]archive.Change, error) {
	img, dirs, err := c.below(s)
	if err != nil {
		return nil, err
	}
	var list []archive.Change
	if c.layer == "" {
		list, err = s.Changes("", img.Top)
	} else if err = c.enter(s); err == nil {
		list, err = archive.OverlayChanges(dirs, ".")
	}
	return slices.DeleteFunc(list, func(c archive.Change) bool { return slices.Contains(mounted, c.Path) }), err
}

// mounted are places that a start made to mount something there: as podman does, nobody is told of them.
var mounted = []string{"/dev", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf", "/proc", "/run", "/run/.containerenv", "/run/secrets", "/sys"}

// changeWords are podman's, by the kind of a change.
var changeWords = map[archive.ChangeType]string{archive.ChangeModify: "changed", archive.ChangeAdd: "added", archive.ChangeDelete: "deleted"}

func printChanges(list []archive.Change, format string) error {
	slices.SortFunc(list, func(a, b archive.Change) int { return strings.Compare(a.Path, b.Path) })
	if format == "json" {
		byKind := map[string][]string{}
		for _, c := range list {
			byKind[changeWords[c.Kind]] = append(byKind[changeWords[c.Kind]], c.Path)
		}
		return printJSON(byKind)
	}
	for _, c := range list {
		if _, err := fmt.Printf("%s %s\n", c.Kind, printable.Text(c.Path)); err != nil {
			return err
		}
	}
	return nil
}

func exportCommand() *cobra.Command {
	var c container
	var output string
	cmd := withStore("export [flags] ID", "", cobra.NoArgs, func(s *opened, _ []string) error {
		if err := noTerminal(output); err != nil {
			return err
		}
		return c.export(s, output)
	})
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "write `FILE` (default: standard output)")
	return cmd
}

// root opens what the container sees as its root: its own layer and those of its image, mounted once more, for reading.
func (c *container) root(s *opened) (int, error) {
	_, dirs, err := c.below(s)
	if err != nil {
		return -1, err
	}
	changed, err := s.found.Changed(c.room, c.layer)
	if err != nil {
		return -1, fmt.Errorf("what the container has changed: %w", err)
	}
	defer changed.Close()
	root, err := s.mountAll(changed, dirs)
	if err != nil {
		return -1, fmt.Errorf("mount what the container sees: %w", err)
	}
	return root, nil
}

// export writes that.
func (c *container) export(s *opened, output string) error {
	ids, err := c.owners()
	if err != nil {
		return err
	}
	root, err := c.root(s)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	return into(output, func(w io.Writer) error { return (&archiver{ids: ids}).archive(w, root) })
}

// mountAll opens an overlay of directories, the topmost first, that nothing can be written to. It has no place in the end.
func (s *opened) mountAll(changed *handle.Handle, layers []string) (root int, err error) {
	// By descriptors, whose paths are short, so that all fit into the page of options, and have no comma or colon.
	var lower []string
	if changed != nil {
		lower = append(lower, changed.Name())
	}
	for _, dir := range layers {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		defer unix.Close(fd)
		lower = append(lower, fmt.Sprintf("/proc/self/fd/%d", fd))
	}
	if len(lower) == 1 { // overlayfs wants two
		return unix.Open(layers[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	options := "lowerdir=" + strings.Join(lower, ":")
	if os.Getenv(rootlessVariable) != "" {
		options += ",userxattr"
	}
	place, drop, err := s.tempDir("export")
	if err != nil {
		return -1, err
	}
	defer drop()
	if err := unix.Mount("overlay", place, "overlay", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return -1, err
	}
	root, err = unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return root, errors.Join(err, unix.Unmount(place, unix.MNT_DETACH))
}
