package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxConfig bounds an image's configuration and its manifests, in bytes: registries take at most 4 MiB.
const maxConfig = 4 << 20

// Config is what an image says of itself (image-spec, config.md; Docker has more, which has no meaning here).
type Config struct {
	Created      time.Time `json:"created"`
	Author       string    `json:"author,omitempty"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	OS           string    `json:"os"`
	Config       Process   `json:"config"`
	RootFS       struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []History `json:"history,omitempty"`
}

// Process is what a container of an image is to be, unless flags say other things.
type Process struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

// CommittedVariable is the variable of sandbox-image's environment that has the process of an image to be made, as JSON.
const CommittedVariable = "SANDBOX_IMAGE_PROCESS"

// History is how one layer came to be, or a step that made none.
type History struct {
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Author     string    `json:"author,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

// Raw is the image's configuration as it was pulled.
func (i *Image) Raw() ([]byte, error) {
	key := "sha256:" + i.ID
	if slices.Contains(i.Data, key) {
		return i.data(key, maxConfig)
	}
	// The id of an image of which parts were pulled is not its configuration's: the manifest says which that is.
	manifest, err := i.data("manifest", maxConfig)
	if err != nil {
		return nil, err
	}
	var m struct {
		Config struct {
			Digest string `json:"digest"`
		} `json:"config"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("manifest of image %s: %w", i.ID[:12], err)
	}
	if digest, ok := strings.CutPrefix(m.Config.Digest, "sha256:"); !ok || !hex64(digest) {
		return nil, fmt.Errorf("manifest of image %s: %q is no configuration", i.ID[:12], m.Config.Digest)
	}
	return i.data(m.Config.Digest, maxConfig)
}

// Config reads it. What makes no sense in it is left out: a variable without a "=" would be the caller's own
// (CVE-2026-57231), a name or value with a NUL byte is none.
func (i *Image) Config() (*Config, error) {
	raw, err := i.Raw()
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("configuration of image %s: %w", i.ID[:12], err)
	}
	c.Config.Env = variables(c.Config.Env)
	return c, nil
}

func variables(list []string) (kept []string) {
	for _, e := range list {
		if name, _, ok := strings.Cut(e, "="); ok && name != "" && !strings.Contains(e, "\x00") {
			kept = append(kept, e)
		}
	}
	return kept
}
