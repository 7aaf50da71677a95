package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

// committed is how an image is made of a container.
type committed struct {
	container
	author, message, format string
	changes                 []string
	quiet, squash           bool
}

func commitCommand() *cobra.Command {
	var c committed
	cmd := withStore("commit [flags] ID [IMAGE]", "", cobra.MaximumNArgs(1), func(s *opened, args []string) error {
		names, err := allWhole(args)
		if err != nil {
			return err
		}
		id, err := c.commit(s, names)
		if err == nil {
			fmt.Println(id)
		}
		return err
	})
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&c.author, "author", "a", "", "")
	f.StringArrayVarP(&c.changes, "change", "c", nil, "")
	f.StringVarP(&c.format, "format", "f", "oci", "")
	f.StringVarP(&c.message, "message", "m", "", "")
	f.BoolVarP(&c.squash, "squash", "s", false, "")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "")
	return cmd
}

// kinds are the media types of a manifest, a configuration and a layer that is not compressed: what the store has of a layer.
type kinds struct{ manifest, config, layer types.MediaType }

var formats = map[string]kinds{
	"oci":    {types.OCIManifestSchema1, types.OCIConfigJSON, types.OCIUncompressedLayer},
	"docker": {types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerUncompressedLayer},
}

func (c *committed) commit(s *opened, names []string) (string, error) {
	kind, ok := formats[c.format]
	if !ok {
		return "", fmt.Errorf("--format %q: want oci or docker", c.format)
	}
	config, layers, err := c.base(s, kind.layer)
	if err != nil {
		return "", err
	}
	own, err := c.spool(s, kind.layer)
	if err != nil {
		return "", fmt.Errorf("archive what the container has changed: %w", err)
	}
	defer own.file.Close()
	if err := c.describe(config); err != nil {
		return "", err
	}
	made, err := assemble(kind, config, append(layers, own))
	if err != nil {
		return "", err
	}
	return s.store(made, names, c.quiet)
}

// base is what the image of the container says, and its layers: none where all is to be one.
func (c *committed) base(s *opened, kind types.MediaType) (*v1.ConfigFile, []*plainLayer, error) {
	img, _, err := c.below(s)
	if err != nil {
		return nil, nil, err
	}
	raw, err := img.Raw()
	if err != nil {
		return nil, nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration of image %s: %w", img.Called(), err)
	}
	if c.squash {
		config.History = nil
		return config, nil, nil
	}
	layers, err := s.plainLayers(img.Top, kind)
	if err == nil && len(layers) != len(config.RootFS.DiffIDs) {
		err = fmt.Errorf("image %s has %d layers, and its configuration says %d", img.Called(), len(layers), len(config.RootFS.DiffIDs))
	}
	return config, layers, err
}

// describe says in a configuration what is new.
func (c *committed) describe(config *v1.ConfigFile) error {
	now := v1.Time{Time: time.Now().UTC()}
	config.Created, config.Author = now, c.author
	if config.OS == "" {
		config.OS, config.Architecture = "linux", runtime.GOARCH
	}
	var p image.Process
	if err := json.Unmarshal([]byte(os.Getenv(image.CommittedVariable)), &p); err != nil {
		return fmt.Errorf("%s: %w", image.CommittedVariable, err)
	}
	own := &config.Config
	own.Entrypoint, own.Cmd, own.Env, own.User, own.WorkingDir = p.Entrypoint, p.Cmd, p.Env, p.User, p.WorkingDir
	config.History = append(config.History, v1.History{Created: now, Author: c.author, Comment: c.message, CreatedBy: "sandbox commit"})
	for _, text := range c.changes {
		if err := change(own, text); err != nil {
			return err
		}
	}
	return nil
}

// assemble makes an image of layers, the lowest first.
func assemble(kind kinds, config *v1.ConfigFile, layers []*plainLayer) (v1.Image, error) {
	made := mutate.ConfigMediaType(mutate.MediaType(empty.Image, kind.manifest), kind.config)
	config.RootFS = v1.RootFS{Type: "layers"}
	for _, l := range layers {
		var err error
		if made, err = mutate.Append(made, mutate.Addendum{Layer: l, MediaType: l.kind}); err != nil {
			return nil, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.hash)
	}
	return mutate.ConfigFile(made, config)
}

// plainLayer is a layer that is not compressed, so that nothing of it need be read to know what it is called.
type plainLayer struct {
	hash v1.Hash
	size int64
	kind types.MediaType
	open func() (io.ReadCloser, error)
	file *os.File // of one that is new
}

func (l *plainLayer) Digest() (v1.Hash, error)             { return l.hash, nil }
func (l *plainLayer) DiffID() (v1.Hash, error)             { return l.hash, nil }
func (l *plainLayer) Size() (int64, error)                 { return l.size, nil }
func (l *plainLayer) MediaType() (types.MediaType, error)  { return l.kind, nil }
func (l *plainLayer) Compressed() (io.ReadCloser, error)   { return l.open() }
func (l *plainLayer) Uncompressed() (io.ReadCloser, error) { return l.open() }

// plainLayers are a layer of the store and those below it, the lowest first.
func (s *opened) plainLayers(top string, kind types.MediaType) (list []*plainLayer, err error) {
	for id := top; id != ""; {
		layer, err := s.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: %w", id, err)
		}
		hash, err := v1.NewHash(layer.UncompressedDigest.String())
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: nobody has written down what it holds: %w", id, err)
		}
		stored := &storedLayer{s, id, hash}
		list = append([]*plainLayer{{hash: hash, size: layer.UncompressedSize, kind: kind, open: stored.Uncompressed}}, list...)
		id = layer.Parent
	}
	return list, nil
}

// spool archives what the container has changed, or all that it sees, in a file that has no name.
func (c *committed) spool(s *opened, kind types.MediaType) (*plainLayer, error) {
	f, err := os.OpenFile(s.GraphRoot(), unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	from, err := c.open(s)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer unix.Close(from)
	ids, err := c.owners()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	sum := digest.SHA256.Digester()
	made := &archiver{ids: ids, upper: !c.squash, except: []string{"etc/apt/apt.conf.d/99sandbox"}} // what one id alone has needed
	err = made.archive(io.MultiWriter(f, sum.Hash()), from)
	size, seekErr := f.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, seekErr); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &plainLayer{
		hash: v1.Hash{Algorithm: "sha256", Hex: sum.Digest().Encoded()}, size: size, kind: kind, file: f,
		open: func() (io.ReadCloser, error) { return os.Open(byDescriptor(f)) },
	}, nil
}

// open opens the directory with that.
func (c *committed) open(s *opened) (int, error) {
	if c.squash {
		return c.root(s)
	}
	changed, err := s.found.Changed(c.room, c.layer)
	if err != nil {
		return -1, err
	}
	return changed.FD, nil
}
