package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknown is what is said of an image that the store does not have.
var ErrUnknown = errors.New("image not known")

// Ambiguous are images of which a name could mean any.
type Ambiguous struct {
	Name string
	IDs  []string
}

func (a *Ambiguous) Error() string {
	return fmt.Sprintf("%q could be any of the images %s: write more of it", a.Name, strings.Join(a.IDs, ", "))
}

// Find is the image that a name means: one of its names, whole or with what people leave out, a digest, or the first digits
// of its id. What is not there is [ErrUnknown].
func (s *Store) Find(name string) (*Image, error) {
	if i, rest, ok := strings.Cut(name, ":"); ok && (i == "docker" || i == "containers-storage") {
		name = strings.TrimPrefix(rest, "//")
	}
	all, err := s.Images()
	if err != nil {
		return nil, err
	}
	if i := s.own(all, name); i != nil {
		return i, nil
	}
	reg, err := s.caller.Registries()
	if err != nil {
		return nil, err
	}
	for _, candidate := range reg.Candidates(name) {
		if i := called(all, candidate); i != nil {
			return i, nil
		}
	}
	found := matching(all, func(i *Image) bool { return strings.HasPrefix(i.ID, strings.TrimPrefix(name, "sha256:")) })
	if len(found) == 0 { // of another registry
		found = ending(all, name)
	}
	return only(name, found)
}

// only is the one image that was found.
func only(name string, found []*Image) (*Image, error) {
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	case 1:
		return found[0], nil
	}
	a := &Ambiguous{Name: name}
	for _, i := range found {
		a.IDs = append(a.IDs, i.ID[:12])
	}
	return nil, a
}

// own is the image that a name means whatever the registries' configuration says, nil where that decides: reading it costs as much
// as a start. One of this machine comes before others; where one image alone has a name that ends so, no other can be meant.
func (s *Store) own(all []*Image, name string) *Image {
	for _, candidate := range (&Registries{}).Candidates(name) {
		if i := called(all, candidate); i != nil {
			return i
		}
	}
	if found := ending(all, name); len(found) == 1 {
		return found[0]
	}
	return nil
}

// called is the image with a whole name, nil for none.
func called(all []*Image, name string) *Image {
	for _, i := range all {
		if i.named(name) {
			return i
		}
	}
	return nil
}

// ending are the images of which a name ends with what was typed, in whatever registry.
func ending(all []*Image, name string) []*Image {
	short, _ := tagged(name)
	return matching(all, func(i *Image) bool {
		return slices.ContainsFunc(i.Names, func(n string) bool { return strings.HasSuffix(n, "/"+short) })
	})
}

func matching(all []*Image, want func(*Image) bool) (found []*Image) {
	for _, i := range all {
		if want(i) {
			found = append(found, i)
		}
	}
	return found
}

// named says whether an image has a whole name, which may end in a digest.
func (i *Image) named(name string) bool {
	repo, digest, byDigest := strings.Cut(name, "@")
	for _, n := range i.Names {
		switch {
		case n == name:
			return true
		case byDigest && repoOf(n) == repoOf(repo) && i.hasDigest(digest):
			return true
		}
	}
	return false
}

// hasDigest says whether one of an image's manifests has a digest.
func (i *Image) hasDigest(digest string) bool {
	if i.Digest == digest {
		return true
	}
	for name, d := range i.Digests {
		if d == digest && strings.HasPrefix(name, "manifest") {
			return true
		}
	}
	return false
}

// Candidates are the whole names that a typed one can stand for, in the order in which they are tried: as it is, of this
// machine, what an alias says, of the registries that are searched.
func (r *Registries) Candidates(name string) []string {
	full, tagged := tagged(name)
	if host, _, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		if path, ok := strings.CutPrefix(full, "docker.io/"); ok && !strings.Contains(path, "/") {
			full = "docker.io/library/" + path
		}
		return []string{full}
	}
	list := []string{"localhost/" + full}
	if tagged {
		list = append([]string{name}, list...)
	}
	return append(list, r.Remote(name)...)
}

// Remote are those of registries.
func (r *Registries) Remote(name string) (list []string) {
	full, _ := tagged(name)
	repo := repoOf(full)
	if alias := r.Aliases[repo]; alias != "" {
		return []string{alias + strings.TrimPrefix(full, repo)}
	}
	for _, registry := range r.Search {
		if registry == "docker.io" && !strings.Contains(full, "/") {
			registry += "/library"
		}
		list = append(list, registry+"/"+full)
	}
	return list
}

// tagged is a name with its tag or digest, "latest" where it has neither.
func tagged(name string) (full string, has bool) {
	if strings.Contains(name, "@") || strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		return name, true
	}
	return name + ":latest", false
}

// repoOf is a name without tag and digest.
func repoOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		return name[:at]
	}
	return name
}
