package main

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/outfile"
)

func saveCommand() *cobra.Command {
	var output, format string
	var quiet bool
	cmd := &cobra.Command{Use: "save [flags] IMAGE...", Short: "Save images to an archive", Args: cobra.MinimumNArgs(1)}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write `FILE` (default: standard output)")
	cmd.Flags().StringVar(&format, "format", "docker-archive", "`FORMAT` docker-archive, oci-archive or oci-dir")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "accepted for podman's callers")
	cmd.Flags().BoolP("multi-image-archive", "m", false, "accepted for podman's callers: an archive can have several images")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := noTerminal(output); err != nil {
			return err
		}
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		return s.save(args, output, format)
	}
	return cmd
}

// noTerminal refuses to write an archive to one.
func noTerminal(output string) error {
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); err == nil && output == "" {
		return errors.New("refusing to write an archive to a terminal: -o FILE, or > FILE")
	}
	return nil
}

// save writes images in one of the formats.
func (s *opened) save(args []string, output, format string) error {
	list, err := s.named(args)
	if err != nil {
		return err
	}
	return s.write(list, output, format)
}

// write is that of images that have been found.
func (s *opened) write(list []taggedImage, output, format string) error {
	switch {
	case format == "docker-archive":
		byTag := map[name.Tag]v1.Image{}
		for _, i := range list {
			for _, t := range i.tags {
				byTag[t] = i.image
			}
		}
		return into(output, func(w io.Writer) error { return tarball.MultiWrite(byTag, w) })
	case format == "oci-archive":
		return s.savePacked(list, output)
	case format == "oci-dir" && output == "":
		return errors.New("--format oci-dir: -o names the directory")
	case format == "oci-dir":
		return writeLayout(output, list)
	}
	return fmt.Errorf("--format %q: want docker-archive, oci-archive or oci-dir", format)
}

// savePacked writes an archive of an OCI layout.
func (s *opened) savePacked(list []taggedImage, output string) error {
	dir, drop, err := s.tempDir("save")
	if err != nil {
		return err
	}
	defer drop()
	if err := writeLayout(dir, list); err != nil {
		return err
	}
	return into(output, func(w io.Writer) error { return pack(dir, w) })
}

// tagged is an image with the names under which it is saved.
type taggedImage struct {
	image v1.Image
	tags  []name.Tag
	as    string // the name in a layout, where that was typed
}

// named are the images that somebody typed; one that was typed by a name has that one, another all.
func (s *opened) named(args []string) (list []taggedImage, err error) {
	for _, arg := range args {
		found, err := s.find(arg)
		if err != nil {
			return nil, err
		}
		one := taggedImage{}
		if one.image, err = s.asImage(found); err == nil {
			one.tags, err = s.tagsOf(found, arg)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (s *opened) tagsOf(found *image.Image, typed string) (tags []name.Tag, err error) {
	names := found.Names
	switch n := s.typedName(found, typed); {
	case n != "":
		names = []string{n}
	case len(names) == 0:
		names = []string{"localhost/" + found.ID[:12] + ":latest"}
	}
	for _, n := range names {
		t, err := name.NewTag(n, name.WithDefaultRegistry(""))
		if err != nil {
			return nil, err
		}
		tags = append(tags, t)
	}
	return tags, nil
}

// typedName is the one of an image's names by which it was typed, "" for its id.
func (s *opened) typedName(i *image.Image, typed string) string {
	for _, c := range s.regs.Candidates(typed) {
		if slices.Contains(i.Names, c) {
			return c
		}
	}
	return ""
}

// into writes a file as a whole, or standard output.
func into(path string, write func(io.Writer) error) error {
	if path == "" {
		return write(os.Stdout)
	}
	dir, name, err := outfile.Find(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s exists already: %w", path, err)
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err = errors.Join(write(f), f.Close()); err != nil {
		err = errors.Join(err, unix.Unlinkat(int(dir.Fd()), name, 0))
	}
	return err
}

func writeLayout(dir string, list []taggedImage) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	for _, i := range list {
		for _, t := range i.tags {
			if err := p.AppendImage(i.image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": cmp.Or(i.as, t.Name())})); err != nil {
				return err
			}
		}
	}
	return nil
}

// pack makes an archive of the files of a directory.
func pack(dir string, w io.Writer) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return packFile(t, dir, path)
	})
	return errors.Join(err, t.Close())
}

func packFile(t *tar.Writer, dir, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: rel, Mode: 0o644, Size: st.Size(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
