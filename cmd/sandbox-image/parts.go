package main

import (
	"cmp"
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
	config, err := p.takeConfig(img)
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err = cmp.Or(err, count(len(layers), len(config.RootFS.DiffIDs))); err != nil {
		return nil, err
	}
	for i, l := range layers {
		if err := p.takeLayer(l, config.RootFS.DiffIDs[i]); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	p.chain = chainIDs(p.diffs)
	return p, nil
}

func (p *parts) takeConfig(img v1.Image) (config image.Config, err error) {
	if p.configData, err = img.RawConfigFile(); err != nil {
		return config, fmt.Errorf("configuration: %w", err)
	}
	name, err := img.ConfigName()
	if err != nil {
		return config, fmt.Errorf("configuration: %w", err)
	}
	if p.config = digest.FromBytes(p.configData); p.config.String() != name.String() {
		return config, fmt.Errorf("the configuration is %s, and the manifest says %s", p.config, name)
	}
	if err := json.Unmarshal(p.configData, &config); err != nil {
		return config, fmt.Errorf("configuration: %w", err)
	}
	if config.OS != "" && config.OS != "linux" {
		return config, fmt.Errorf("the image is for %q, and this is linux", config.OS)
	}
	p.created = config.Created
	return config, nil
}

// count compares how many layers there are with how many the configuration says.
func count(layers, said int) error {
	switch {
	case layers == 0:
		return errors.New("the image has no layers")
	case layers > maxLayers:
		return fmt.Errorf("the image has %d layers, of which the kernel takes at most %d", layers, maxLayers)
	case layers != said:
		return fmt.Errorf("the manifest has %d layers, and the configuration %d", layers, said)
	}
	return nil
}

func (p *parts) takeLayer(l v1.Layer, diff string) error {
	d := digest.Digest(diff)
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%q is no digest of a layer", diff)
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	hash, err := l.Digest()
	if err != nil {
		return err
	}
	p.diffs = append(p.diffs, d)
	p.layers = append(p.layers, blob{l, digest.Digest(hash.String()), size})
	return nil
}
