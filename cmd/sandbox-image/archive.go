package main

import (
	"io"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// imageOf is one image of an archive that may hold several.
func imageOf(path string, d tarball.Descriptor) (v1.Image, error) {
	var tag *name.Tag
	if len(d.RepoTags) > 0 {
		t, err := name.NewTag(d.RepoTags[0])
		if err != nil {
			return nil, err
		}
		tag = &t
	}
	return tarball.Image(func() (io.ReadCloser, error) { return os.Open(path) }, tag)
}

// ours says whether an image for a platform runs here.
func ours(p v1.Platform) bool {
	return (p.OS == "" || p.OS == "linux") && (p.Architecture == "" || p.Architecture == runtime.GOARCH)
}
