package image

import "time"

// What is shown of a store, under podman's names: the templates that people have are about these. Both programs know them: the one
// fills them in, the other one has the library for templates.

// Row is an image under one of its names.
type Row struct {
	ID, Repository, Tag, Digest                   string
	Created, CreatedSince, CreatedAt, CreatedTime string
	Size, VirtualSize                             string
	Names, RepoTags, RepoDigests                  []string
	Labels                                        map[string]string
	ReadOnly, Dangling                            bool
}

// Inspected is all of an image.
type Inspected struct {
	ID           string            `json:"Id"`
	Digest       string            `json:"Digest"`
	RepoTags     []string          `json:"RepoTags"`
	RepoDigests  []string          `json:"RepoDigests"`
	Created      time.Time         `json:"Created"`
	Author       string            `json:"Author"`
	Architecture string            `json:"Architecture"`
	Os           string            `json:"Os"`
	Size         int64             `json:"Size"`
	VirtualSize  int64             `json:"VirtualSize"`
	Config       Process           `json:"Config"`
	User         string            `json:"User"`
	Labels       map[string]string `json:"Labels"`
	RootFS       struct {
		Type   string   `json:"Type"`
		Layers []string `json:"Layers"`
	} `json:"RootFS"`
	History []History `json:"History"`
}

// Step is one of how an image came to be.
type Step struct {
	ID, Created, CreatedSince, CreatedAt, CreatedBy, Size, Comment string
}

// Used is what a kind of things takes; active ones belong to a container.
type Used struct {
	Type                    string
	Total, Active           int
	Size, Reclaimable       string
	RawSize, RawReclaimable int64 // bytes
}

// ShownVolume is a volume.
type ShownVolume struct {
	Name       string            `json:"Name"`
	Driver     string            `json:"Driver"`
	Mountpoint string            `json:"Mountpoint"`
	CreatedAt  time.Time         `json:"CreatedAt"`
	Labels     map[string]string `json:"Labels"`
	Scope      string            `json:"Scope"`
	Options    map[string]string `json:"Options"`
}
