package lifecycle

import (
	"path/filepath"
	"slices"

	"sandbox/pkg/helper"
)

// shareWith tells what the payload may write, which is where no program is taken
// from that is run outside of it: its root, and what is bound there for writing.
func (r *Runtime) shareWith(o *Options) {
	r.Helpers.Shared = func() (places []helper.Place) {
		add := func(path, name string) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(o.Bundle, path)
			}
			if h := o.Paths[path]; h != nil {
				places = append(places, helper.Place{Dev: h.Dev, Ino: h.Ino, Name: name})
			} else if p, ok := helper.PlaceOf(path, name); ok {
				places = append(places, p)
			}
		}
		if root := o.Spec.Root; root != nil && root.Path != "/" {
			add(root.Path, "the container's root")
		}
		for _, m := range o.Spec.Mounts {
			binds := slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
			if binds && !slices.Contains(m.Options, "ro") && !slices.Contains(m.Options, "rro") {
				add(m.Source, m.Source)
			}
		}
		return places
	}
}
