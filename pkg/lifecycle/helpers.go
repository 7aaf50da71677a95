package lifecycle

import (
	"slices"
	"strings"

	"sandbox/pkg/handle"
	"sandbox/pkg/helper"
)

// shareWith tells what the payload may write, which is where no program is taken
// from that is run outside of it: its root, what is bound there for writing, and
// where an overlay keeps what is written.
func (r *Runtime) shareWith(o *Options) {
	r.Helpers.Shared = func() (places []helper.Place) {
		paths := o.Paths
		if paths == nil {
			paths = handle.Set{}
			defer paths.Close()
		}
		add := func(path, name string) {
			if h, err := paths.OpenIn(o.Bundle, path); err == nil {
				places = append(places, helper.Place{Dev: h.Dev, Ino: h.Ino, Name: name})
			}
		}
		if root := o.Spec.Root; root != nil && root.Path != "/" {
			add(root.Path, "the container's root")
		}
		for _, m := range o.Spec.Mounts {
			if slices.Contains(m.Options, "ro") || slices.Contains(m.Options, "rro") {
				continue
			}
			if slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
				add(m.Source, m.Source)
			}
			for _, option := range m.Options { // of an overlay
				if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
					add(upper, upper)
				}
			}
		}
		return places
	}
}
