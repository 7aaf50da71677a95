package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"

	"sandbox/pkg/image"
)

// parts are what an image is made of, as far as it is small.
type parts struct {
	manifest   []byte
	configData []byte
	config     digest.Digest
	created    time.Time
	diffs      []digest.Digest // what each layer holds, unpacked; the lowest first
	chain      []string        // the layers' names in a store
	layers     []blob
}

// blob is a layer as it comes.
type blob struct {
	v1.Layer
	digest digest.Digest
	size   int64
}

// maxLayers is what an overlay can be made of.
const maxLayers = 500

// take reads them. The configuration is compared with its digest, and what it says with the manifest: what is unpacked is
// compared with it later.
func take(img v1.Image) (*parts, error) {
	p := &parts{}
	var err error
	if p.manifest, err = img.RawManifest(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if p.configData, err = img.RawConfigFile(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	name, err := img.ConfigName()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	p.config = digest.FromBytes(p.configData)
	if p.config.String() != name.String() {
		return nil, fmt.Errorf("the configuration is %s, and the manifest says %s", p.config, name)
	}
	var config image.Config
	if err := json.Unmarshal(p.configData, &config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if config.OS != "" && config.OS != "linux" {
		return nil, fmt.Errorf("the image is for %q, and this is linux", config.OS)
	}
	p.created = config.Created
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	switch {
	case len(layers) == 0:
		return nil, errors.New("the image has no layers")
	case len(layers) > maxLayers:
		return nil, fmt.Errorf("the image has %d layers, of which the kernel takes at most %d", len(layers), maxLayers)
	case len(layers) != len(config.RootFS.DiffIDs):
		return nil, fmt.Errorf("the manifest has %d layers, and the configuration %d", len(layers), len(config.RootFS.DiffIDs))
	}
	for i, l := range layers {
		d := digest.Digest(config.RootFS.DiffIDs[i])
		if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
			return nil, fmt.Errorf("configuration: %q is no digest of a layer", config.RootFS.DiffIDs[i])
		}
		p.diffs = append(p.diffs, d)
		b := blob{Layer: l}
		if b.size, err = l.Size(); err == nil {
			var h v1.Hash
			h, err = l.Digest()
			b.digest = digest.Digest(h.String())
		}
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		p.layers = append(p.layers, b)
	}
	p.chain = chainIDs(p.diffs)
	return p, nil
}
