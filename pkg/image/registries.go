package image

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Registries is what containers-registries.conf(5) says.
type Registries struct {
	Search  []string          // where a name without a registry is looked for
	Aliases map[string]string // of such names, to whole ones without a tag
	List    []Registry
}

// Registry is what is said about those whose names begin with Prefix.
type Registry struct {
	Prefix   string   `toml:"prefix"`
	Location string   `toml:"location"` // what stands for Prefix; "" is itself
	Insecure bool     `toml:"insecure"` // plain HTTP, or a certificate that nobody knows, will do
	Blocked  bool     `toml:"blocked"`
	Mirrors  []Mirror `toml:"mirror"`
}

// Mirror is asked before the registry itself.
type Mirror struct {
	Location string `toml:"location"`
	Insecure bool   `toml:"insecure"`
	From     string `toml:"pull-from-mirror"` // all, digest-only or tag-only
}

// registryFile is one file of it; [registries.search] is that of version 1.
type registryFile struct {
	Search  *[]string         `toml:"unqualified-search-registries"`
	Aliases map[string]string `toml:"aliases"`
	List    []Registry        `toml:"registry"`
	Old     struct {
		Search struct {
			Registries []string `toml:"registries"`
		} `toml:"search"`
	} `toml:"registries"`
}

// Registries reads it: the caller's file or else the host's, what lies in the directories beside them, and the aliases that
// podman has written down.
func (c Caller) Registries() (*Registries, error) {
	r := &Registries{Aliases: map[string]string{}}
	files, err := c.registryFiles()
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		var one registryFile
		if err := decode(file, &one); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		r.take(&one)
	}
	if len(r.Search) == 0 {
		r.Search = []string{"docker.io"}
	}
	return r, nil
}

// take adds what one file says.
func (r *Registries) take(one *registryFile) {
	switch {
	case one.Search != nil:
		r.Search = *one.Search
	case one.Old.Search.Registries != nil:
		r.Search = one.Old.Search.Registries
	}
	maps.Copy(r.Aliases, one.Aliases)
	for _, reg := range one.List {
		r.add(reg)
	}
}

// add takes an entry, which replaces an earlier one of the same prefix.
func (r *Registries) add(reg Registry) {
	if reg.Prefix == "" {
		reg.Prefix = reg.Location
	}
	r.List = slices.DeleteFunc(r.List, func(o Registry) bool { return o.Prefix == reg.Prefix })
	r.List = append(r.List, reg)
}

// Of is what is said about an image's whole name; the longest prefix counts. Nil is nothing.
func (r *Registries) Of(name string) (found *Registry) {
	for i, reg := range r.List {
		if reg.holds(name) && (found == nil || len(reg.Prefix) > len(found.Prefix)) {
			found = &r.List[i]
		}
	}
	return found
}

// holds says whether a name begins with the prefix, at a place where a name may be divided. "*.example.com" is any host there.
func (r *Registry) holds(name string) bool {
	prefix := r.Prefix
	if tail, wild := strings.CutPrefix(prefix, "*."); wild {
		host, _, _ := strings.Cut(name, "/")
		host, _, _ = strings.Cut(host, ":")
		return strings.HasSuffix(host, "."+tail)
	}
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && prefix != "" && (rest == "" || strings.ContainsAny(rest[:1], "/:@"))
}

func (c Caller) registryFiles() ([]string, error) {
	home := cmp.Or(c.Env("XDG_CONFIG_HOME"), filepath.Join(c.Home, ".config"))
	own, system := filepath.Join(home, "containers/registries.conf"), filepath.Join(c.hostRoot, "/etc/containers/registries.conf")
	files := []string{system}
	if _, err := os.Stat(own); err == nil {
		files[0] = own
	}
	if named := c.Env("CONTAINERS_REGISTRIES_CONF"); named != "" {
		files[0] = named
	}
	for _, dir := range []string{system + ".d", own + ".d"} {
		drops, err := filepath.Glob(filepath.Join(dir, "*.conf"))
		if err != nil {
			return nil, err
		}
		files = append(files, drops...)
	}
	cache := cmp.Or(c.Env("XDG_CACHE_HOME"), filepath.Join(c.Home, ".cache"))
	return append(files, filepath.Join(cache, "containers/short-name-aliases.conf")), nil
}
