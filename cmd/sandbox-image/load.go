package main

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/archive"
)

func loadCommand() *cobra.Command {
	var input string
	var quiet bool
	cmd := &cobra.Command{Use: "load [flags]", Short: "Load images from an archive of docker or podman save", Args: cobra.MaximumNArgs(1)}
	cmd.Flags().StringVarP(&input, "input", "i", "", "read `FILE` (default: standard input)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing but what was loaded")
	cmd.Flags().Int64Var(&maxSize, "max-size", maxSize, "how many `BYTES` one layer may unpack to")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if input == "" && len(args) == 1 {
			input = args[0]
		}
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		path, drop, err := plainArchive(input, s.GraphRoot())
		if err != nil {
			return err
		}
		defer drop()
		s.loads = true
		_, err = s.loadFile(path, cmp.Or(input, "standard input"), "", quiet)
		return err
	}
	return cmd
}

// source is an image in a file or directory.
type source struct {
	kind string // docker-archive, oci-archive or oci
	path string
	name string // of the image in it, and for it
}

// archiveOf takes a transport apart, nil for a name.
func archiveOf(typed string) (*source, error) {
	kind, rest, ok := strings.Cut(typed, ":")
	if !ok {
		return nil, nil
	}
	switch kind {
	case "docker-archive", "oci-archive", "oci", "dir":
	case "containers-storage":
		return nil, fmt.Errorf("%s is in a store already", rest)
	default:
		return nil, nil
	}
	if kind == "dir" {
		return nil, errors.New("dir: is not read here: skopeo copy dir:... oci:... makes of it what is")
	}
	s := &source{kind: kind, path: rest}
	if path, name, ok := strings.Cut(rest, ":"); ok {
		s.path, s.name = path, name
	}
	return s, nil
}

// loadOne takes in what such a source names.
func (s *opened) loadOne(from source, quiet bool) (string, error) {
	if err := allowed(from.kind, from.path); err != nil {
		return "", err
	}
	if from.kind == "oci" {
		dir, err := openTyped(from.path)
		if err != nil {
			return "", err
		}
		defer dir.Close()
		return s.loadLayout(byDescriptor(dir), from.path, from.name, quiet)
	}
	path, drop, err := plainArchive(from.path, s.GraphRoot())
	if err != nil {
		return "", err
	}
	defer drop()
	ids, err := s.loadFile(path, from.path, from.name, quiet)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// loadFile takes in all images of an archive, which people know as typed; name is for one that has none.
func (s *opened) loadFile(path, typed, name string, quiet bool) (ids []string, err error) {
	isLayout, err := holdsLayout(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", typed, err)
	}
	if isLayout {
		id, err := s.loadPacked(path, typed, name, quiet)
		return []string{id}, err
	}
	list, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		return nil, fmt.Errorf("%s is no archive of images: %w", typed, err)
	}
	for _, d := range list {
		img, err := imageOf(path, d)
		if err != nil {
			return ids, fmt.Errorf("%s: %w", typed, err)
		}
		names := d.RepoTags
		if name != "" {
			names = []string{name}
		}
		if names, err = allWhole(names); err != nil {
			return ids, fmt.Errorf("%s: %w", typed, err)
		}
		id, err := s.store(img, names, quiet)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
		s.tellLoaded(names, id)
	}
	return ids, nil
}

// loadPacked is that for an archive of an OCI layout.
func (s *opened) loadPacked(path, typed, name string, quiet bool) (string, error) {
	dir, drop, err := s.tempDir("load")
	if err != nil {
		return "", err
	}
	defer drop()
	if err := unpackLayout(path, dir); err != nil {
		return "", fmt.Errorf("%s: %w", typed, err)
	}
	return s.loadLayout(dir, typed, name, quiet)
}

// tellLoaded is what `load` says of an image; `pull` prints its id.
func (s *opened) tellLoaded(names []string, id string) {
	if s.loads {
		fmt.Println("Loaded image: " + append(names, "sha256:"+id)[0])
	}
}

// loadLayout takes in an image of a directory as the OCI defines it, which people know as typed.
func (s *opened) loadLayout(dir, typed, name string, quiet bool) (string, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", fmt.Errorf("%s is no OCI layout: %w", typed, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	img, as, err := chosen(index, manifest.Manifests, name, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", typed, err)
	}
	var names []string
	if as != "" {
		names = []string{as}
	}
	if names, err = allWhole(names); err != nil {
		return "", fmt.Errorf("%s: %w", typed, err)
	}
	id, err := s.store(img, names, quiet)
	if err == nil {
		s.tellLoaded(names, id)
	}
	return id, err
}

// plainArchive is an archive that can be read twice: a file as it is, unpacked where it is compressed, standard input kept. Its
// name is that of a descriptor, and holds until drop.
func plainArchive(path, dir string) (plain string, drop func(), err error) {
	in := os.Stdin
	if path != "" && path != "-" {
		if in, err = openTyped(path); err != nil {
			return "", nil, err
		}
		st, err := in.Stat()
		if err == nil && st.IsDir() {
			err = fmt.Errorf("%s is a directory: oci:%[1]s names one", path)
		}
		if err != nil {
			in.Close()
			return "", nil, err
		}
		if isPlain(in, st) {
			return byDescriptor(in), func() { in.Close() }, nil
		}
		defer in.Close()
	}
	return unpacked(in, dir)
}

// isPlain says whether a file is an archive as it is.
func isPlain(in *os.File, st os.FileInfo) bool {
	var magic [16]byte
	_, err := in.ReadAt(magic[:], 0)
	return st.Mode().IsRegular() && err == nil && archive.DetectCompression(magic[:]) == archive.Uncompressed
}

// unpacked keeps what a stream holds in a file without a name.
func unpacked(in *os.File, dir string) (plain string, drop func(), err error) {
	out, err := os.CreateTemp(dir, ".sandbox-load-")
	if err != nil {
		return "", nil, err
	}
	os.Remove(out.Name())
	stream, err := archive.DecompressStream(in)
	if err == nil {
		_, err = io.Copy(out, &tooLarge{stream, maxSize})
		err = errors.Join(err, stream.Close())
	}
	if err != nil {
		out.Close()
		return "", nil, err
	}
	return byDescriptor(out), func() { out.Close() }, nil
}

// holdsLayout says whether an archive is one of an OCI layout.
func holdsLayout(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("it is no archive: %w", err)
		case filepath.Clean(h.Name) == "oci-layout":
			return true, nil
		case filepath.Clean(h.Name) == "manifest.json":
			return false, nil
		}
	}
}

// unpackLayout unpacks the files of a layout, and nothing else: their names are known beforehand.
func unpackLayout(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o700); err != nil {
		return err
	}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && ofLayout(h) {
			err = unpackFile(r, filepath.Join(dir, filepath.Clean(h.Name)))
		}
		if err != nil {
			return err
		}
	}
}

// ofLayout says whether an entry of an archive belongs to a layout.
func ofLayout(h *tar.Header) bool {
	name := filepath.Clean(h.Name)
	hash, isBlob := strings.CutPrefix(name, "blobs/sha256/")
	return h.Typeflag == tar.TypeReg && (name == "oci-layout" || name == "index.json" || isBlob && isHash(hash))
}

func unpackFile(in io.Reader, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// deepest is how far indexes may lie in each other.
const deepest = 4

// chosen is the image for this machine, of one name where one is typed.
func chosen(index v1.ImageIndex, list []v1.Descriptor, name string, depth int) (v1.Image, string, error) {
	const refName = "org.opencontainers.image.ref.name"
	if depth == deepest {
		return nil, "", fmt.Errorf("indexes lie in each other, more than %d deep", deepest)
	}
	for _, d := range list {
		as := d.Annotations[refName]
		if name != "" && depth == 0 && as != name || d.Platform != nil && !ours(*d.Platform) {
			continue
		}
		if d.MediaType.IsIndex() {
			below, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, "", err
			}
			m, err := below.IndexManifest()
			if err != nil {
				return nil, "", err
			}
			img, _, err := chosen(below, m.Manifests, "", depth+1)
			return img, as, err
		}
		img, err := index.Image(d.Digest)
		return img, as, err
	}
	if name != "" {
		return nil, "", fmt.Errorf("there is no image %q in it for this machine", name)
	}
	return nil, "", errors.New("there is no image for this machine in it")
}
