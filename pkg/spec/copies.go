package spec

import (
	"fmt"
	"path/filepath"
	"sandbox/pkg/handle"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// wholeCopies refuses a copy of a directory in which something lies that must not be seen: in the copy, copy-on-write or in
// a tmpfs, it is a directory like any other. So it is in a bind mount of one directory's own mount alone (option bind), which
// leaves out what lies over its parts.
func (b *builder) wholeCopies() error {
	for i, m := range b.spec.Mounts {
		of := b.copied(m)
		if err := b.wholeUpper(m); err != nil {
			return err
		}
		if of == nil {
			// Of what another mount shows there, or a link leads to by then, nothing is copied.
			b.spec.Mounts[i].Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "tmpcopyup" })
			continue
		}
		if err := b.whole(m, of); err != nil {
			return err
		}
	}
	return nil
}

// wholeUpper is that for what a copy-on-write view writes to, which is seen through it as well.
func (b *builder) wholeUpper(m specs.Mount) error {
	for _, o := range m.Options {
		if upper, ok := strings.CutPrefix(o, "upperdir="); ok && m.Type == "overlay" {
			if h, err := b.paths.Open(unescapeLayer(upper)); err == nil {
				return b.whole(m, h)
			}
		}
	}
	return nil
}

func (b *builder) whole(m specs.Mount, of *handle.Handle) error {
	for _, dir := range b.concealed {
		if dir.IsMountRoot() || !b.liesIn(dir, []*handle.Handle{of}) {
			continue
		}
		if m.Type == "bind" {
			return fmt.Errorf("%s cannot be shared without what is mounted in it (option bind), for %s in it must not be seen: take rbind, or a directory below it", of.Path, dir.Path)
		}
		return fmt.Errorf("%s cannot be copied for the command, for %s in it must not be seen: take a directory below it", of.Path, dir.Path)
	}
	return nil
}

// inBind says whether a path is one of what a bind mount shows.
func (b *builder) inBind(path string) bool {
	return slices.ContainsFunc(b.spec.Mounts, func(m specs.Mount) bool {
		return m.Type == "bind" && m.Destination != "/" && m.Destination != path && under(path, m.Destination)
	})
}

// copied is the directory that a mount shows a copy of.
func (b *builder) copied(m specs.Mount) *handle.Handle {
	if m.Type == "bind" && contains(m.Options, "bind") {
		return b.paths[m.Source]
	}
	for _, o := range m.Options {
		lower, ok := strings.CutPrefix(o, "lowerdir=")
		switch {
		case m.Type == "overlay" && ok:
			return b.paths[unescapeLayer(lower)]
		case m.Type == "tmpfs" && o == "tmpcopyup" && !b.inBind(m.Destination):
			return b.copiedUp(m.Destination)
		}
	}
	return nil
}

// copiedUp is the directory of the root that a tmpfs begins with, nil for a new one.
func (b *builder) copiedUp(path string) *handle.Handle {
	fd, err := b.openInRoot(path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	h, err := handle.Of(fd, filepath.Join(b.spec.Root.Path, path))
	if err != nil {
		return nil
	}
	if b.wish.Cow || b.wish.Image != nil { // what is there then is a view, with numbers of its own
		b.paths.Keep(h)
	} else {
		b.paths.Copy(path, h)
	}
	return h
}
