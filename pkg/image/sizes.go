package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Layer is what a store writes down of a layer, as far as it matters here.
type Layer struct {
	ID     string `json:"id"`
	Parent string `json:"parent"`
	Diff   string `json:"diff-digest"`
	Size   int64  `json:"diff-size"` // bytes, unpacked
}

// Usage is what files take that are in no image, in bytes, by the names of containers' layers and of volumes.
type Usage struct {
	Layers  map[string]int64 `json:"layers"`
	Volumes map[string]int64 `json:"volumes"`
}

// Sizes tells how large images are.
type Sizes struct{ layers map[string]Layer }

// Sizes reads what the store writes down of its layers.
func (s *Store) Sizes() (*Sizes, error) {
	all := &Sizes{map[string]Layer{}}
	for _, p := range s.places {
		if err := p.sizes(all.layers); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p place) sizes(to map[string]Layer) error {
	dir := filepath.Join(p.dir, p.driver+"-layers")
	file := filepath.Join(dir, "layers.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil // and no lock is to be made
	}
	unlock, err := p.lock(filepath.Join(dir, "layers.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	list, err := layerList(file)
	for _, l := range list {
		to[l.ID] = l
	}
	return err
}

func layerList(file string) (list []Layer, err error) {
	data, err := read(file, maxList)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

// Chain are an image's layers, the topmost first.
func (s *Sizes) Chain(i *Image) (chain []Layer) {
	for id := i.Top; id != "" && len(chain) <= maxLayers; {
		l, ok := s.layers[id]
		if !ok {
			break
		}
		chain = append(chain, l)
		id = l.Parent
	}
	return chain
}

// Of is how many bytes an image takes: its layers unpacked, and what is kept beside them.
func (s *Sizes) Of(i *Image) (size int64) {
	for _, l := range s.Chain(i) {
		size += max(l.Size, 0)
	}
	for _, n := range i.Sizes {
		size += n
	}
	return size
}
