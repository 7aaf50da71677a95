package lifecycle

import (
	"slices"

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
		if err == nil && slices.ContainsFunc(rec.Spec.Mounts, func(m specs.Mount) bool { return m.Source == source }) {
			ids = append(ids, id)
		}
	}
	return ids
}
