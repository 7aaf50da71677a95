package main

import (
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"sandbox/pkg/image"
)

// stored is an image of the store as others take it: its layers as they were unpacked, byte for byte.
type stored struct {
	s      *opened
	config []byte
	layers map[v1.Hash]string // by what they hold
}

// asImage makes one of what the store has. Its manifest is a new one, for layers are packed anew.
func (s *opened) asImage(img *image.Image) (v1.Image, error) {
	raw, err := img.Raw()
	if err != nil {
		return nil, err
	}
	core := &stored{s: s, config: raw, layers: map[v1.Hash]string{}}
	for id := img.Top; id != ""; {
		layer, err := s.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: %w", id, err)
		}
		hash, err := v1.NewHash(layer.UncompressedDigest.String())
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: nobody has written down what it holds: %w", id, err)
		}
		core.layers[hash], id = id, layer.Parent
	}
	return partial.UncompressedToImage(core)
}

func (c *stored) RawConfigFile() ([]byte, error)      { return c.config, nil }
func (c *stored) MediaType() (types.MediaType, error) { return types.DockerManifestSchema2, nil }
func (c *stored) ConfigMediaType() types.MediaType    { return types.DockerConfigJSON }

func (c *stored) LayerByDiffID(hash v1.Hash) (partial.UncompressedLayer, error) {
	id, ok := c.layers[hash]
	if !ok {
		return nil, fmt.Errorf("layer %s is not in the store: %w", hash, storage.ErrLayerUnknown)
	}
	return &storedLayer{c.s, id, hash}, nil
}

// storedLayer is one of its layers.
type storedLayer struct {
	s    *opened
	id   string
	hash v1.Hash
}

func (l *storedLayer) DiffID() (v1.Hash, error)            { return l.hash, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return types.DockerLayer, nil }

// Uncompressed is the archive that the layer was unpacked from. It is compared with its digest by who reads it: files of the store
// may have been changed by hand.
func (l *storedLayer) Uncompressed() (io.ReadCloser, error) {
	plain := archive.Uncompressed
	in, err := l.s.Diff("", l.id, &storage.DiffOptions{Compression: &plain})
	if err != nil {
		return nil, fmt.Errorf("layer %.12s: %w", l.id, err)
	}
	return in, nil
}
