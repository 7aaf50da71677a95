package image

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Chosen are the images of a store of which all kinds of filters that were typed say that they are meant: of each kind, one.
type Chosen struct {
	store   *Store
	all     []*Image
	Configs map[string]*Config // by the image's id; one that cannot be read is not there
	kinds   map[string][]Filter
}

// Filter says whether an image is meant.
type Filter func(*Image) bool

// NewChosen are all of them, so far.
func NewChosen(store *Store, all []*Image) *Chosen {
	c := &Chosen{store: store, all: all, Configs: map[string]*Config{}, kinds: map[string][]Filter{}}
	for _, i := range all {
		if config, err := i.Config(); err == nil {
			c.Configs[i.ID] = config
		}
	}
	return c
}

// Want adds a filter of a kind.
func (c *Chosen) Want(kind string, f Filter) { c.kinds[kind] = append(c.kinds[kind], f) }

// Has says whether an image is meant.
func (c *Chosen) Has(i *Image) bool {
	for _, kind := range c.kinds {
		if !slices.ContainsFunc(kind, func(f Filter) bool { return f(i) }) {
			return false
		}
	}
	return true
}

// filterKinds are podman's (podman-images(1)).
var filterKinds = sync.OnceValue(func() map[string]func(c *Chosen, value string) (Filter, error) {
	return map[string]func(c *Chosen, value string) (Filter, error){
		"dangling":     yesOrNo(func(c *Chosen, i *Image) bool { return len(i.Names) == 0 && !c.Between(i) }),
		"intermediate": yesOrNo(func(c *Chosen, i *Image) bool { return c.Between(i) }),
		"readonly":     yesOrNo(func(_ *Chosen, i *Image) bool { return i.ReadOnly }),
		"reference":    func(c *Chosen, value string) (Filter, error) { return c.Reference(value), nil },
		"label":        func(c *Chosen, value string) (Filter, error) { return c.label(value), nil },
		"id": func(_ *Chosen, value string) (Filter, error) {
			return func(i *Image) bool { return strings.HasPrefix(i.ID, strings.TrimPrefix(value, "sha256:")) }, nil
		},
		"digest": func(_ *Chosen, value string) (Filter, error) {
			return func(i *Image) bool {
				return strings.HasPrefix(i.Digest, value) || strings.HasPrefix(strings.TrimPrefix(i.Digest, "sha256:"), value)
			}, nil
		},
		"before": func(c *Chosen, value string) (Filter, error) { return c.aside(value, time.Time.Before) },
		"since":  func(c *Chosen, value string) (Filter, error) { return c.aside(value, time.Time.After) },
		"after":  func(c *Chosen, value string) (Filter, error) { return c.aside(value, time.Time.After) },
		"until": func(c *Chosen, value string) (Filter, error) {
			end, err := Moment(value)
			return func(i *Image) bool { return c.created(i).Before(end) }, err
		},
	}
})

// Filter adds what was typed as KEY=VALUE, or KEY!=VALUE.
func (c *Chosen) Filter(typed string) error {
	key, value, ok := strings.Cut(typed, "=")
	key, not := strings.CutSuffix(key, "!")
	make := filterKinds()[key]
	if make == nil || !ok {
		return fmt.Errorf("--filter %q: want KEY=VALUE of dangling, reference, label, before, since, until, id, digest, readonly or intermediate", typed)
	}
	f, err := make(c, value)
	if err != nil {
		return fmt.Errorf("--filter %q: %w", typed, err)
	}
	if not {
		c.Want(typed, func(i *Image) bool { return !f(i) }) // of several, none
		return nil
	}
	c.Want(key, f)
	return nil
}

func yesOrNo(is func(*Chosen, *Image) bool) func(*Chosen, string) (Filter, error) {
	return func(c *Chosen, value string) (Filter, error) {
		want, err := strconv.ParseBool(value)
		if err != nil {
			err = errors.New("want true or false")
		}
		return func(i *Image) bool { return is(c, i) == want }, err
	}
}

// Between says whether an image has no name, and another one was made of it: a step of a build.
func (c *Chosen) Between(i *Image) bool {
	own := c.Configs[i.ID]
	if len(i.Names) > 0 || own == nil {
		return false
	}
	return slices.ContainsFunc(c.all, func(o *Image) bool {
		other := c.Configs[o.ID]
		return other != nil && len(other.History) > len(own.History) && slices.Equal(other.History[:len(own.History)], own.History) &&
			len(other.RootFS.DiffIDs) >= len(own.RootFS.DiffIDs) && slices.Equal(other.RootFS.DiffIDs[:len(own.RootFS.DiffIDs)], own.RootFS.DiffIDs)
	})
}

func (c *Chosen) created(i *Image) time.Time {
	if config := c.Configs[i.ID]; config != nil && !config.Created.IsZero() {
		return config.Created
	}
	return i.Created
}

// aside are the images that are older or newer than another one.
func (c *Chosen) aside(of string, side func(time.Time, time.Time) bool) (Filter, error) {
	other, err := c.store.Find(of)
	if err != nil {
		return nil, err
	}
	return func(i *Image) bool { return side(c.created(i), c.created(other)) }, nil
}

// label is KEY or KEY=VALUE.
func (c *Chosen) label(typed string) Filter {
	key, value, valued := strings.Cut(typed, "=")
	return func(i *Image) bool {
		config := c.Configs[i.ID]
		if config == nil {
			return false
		}
		has, ok := config.Config.Labels[key]
		return ok && (!valued || has == value)
	}
}

// Reference is a name, a pattern of path.Match for a part of one, or an id.
func (c *Chosen) Reference(pattern string) Filter {
	one, _ := c.store.Find(pattern) // nil is none
	return func(i *Image) bool {
		return one != nil && one.ID == i.ID || slices.ContainsFunc(i.Names, func(name string) bool { return matchesName(pattern, name) })
	}
}

// matchesName compares with a name as a whole, without its tag, without its registry, and with its last part.
func matchesName(pattern, name string) bool {
	repo, tag := name[:max(strings.LastIndex(name, ":"), 0)], name[strings.LastIndex(name, ":")+1:]
	_, inRegistry, _ := strings.Cut(repo, "/")
	for _, part := range []string{repo, inRegistry, path.Base(repo)} {
		for _, word := range []string{part, part + ":" + tag} {
			if ok, err := path.Match(pattern, word); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// Moment is a time that somebody typed: so long ago, in seconds since 1970, or a date.
func Moment(typed string) (time.Time, error) {
	if d, err := time.ParseDuration(typed); err == nil {
		return time.Now().Add(-d), nil
	}
	if n, err := strconv.ParseInt(typed, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, typed, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("want a duration such as 24h, or a date such as 2026-11-30T12:00:00")
}
