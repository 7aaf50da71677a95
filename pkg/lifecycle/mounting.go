package lifecycle

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Mounting lists the containers, ended ones too, in which something of the host is mounted, by its path in their specs.
func (r *Runtime) Mounting(source string) (ids []string) {
	names, _ := r.Root.List(-1)
	for _, id := range names {
		d, rec, err := r.Root.Find(id)
		if err != nil {
			continue
		}
		err = d.Recall(rec)
		d.Close()
		if err == nil && slices.ContainsFunc(rec.Spec.Mounts, func(m specs.Mount) bool { return shows(&m, source) }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// shows says whether a mount has a source: itself, or as a layer.
func shows(m *specs.Mount, source string) bool {
	return m.Source == source || slices.ContainsFunc(m.Options, func(o string) bool {
		_, layers, _ := strings.Cut(o, "=")
		return m.Type == "overlay" && slices.Contains(strings.Split(layers, ":"), source)
	})
}
