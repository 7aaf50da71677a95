package kernel

import "slices"

// WholeMounts lists where the caller has file systems of these types mounted
// from their root, in the order in which they were mounted. An empty list also
// means that mountinfo cannot be read.
func (h Host) WholeMounts(types ...string) []string {
	var points []string
	for _, m := range h.mounts("self") {
		if m.root == "/" && slices.Contains(types, m.fstype) {
			points = append(points, m.point)
		}
	}
	return points
}

// Kcore says whether this kernel shows its memory as a file (CONFIG_PROC_KCORE).
func (h Host) Kcore() bool { return h.isThere(h.proc("kcore")) }

// HasKeys says whether this kernel has keyrings (CONFIG_KEYS).
func (h Host) HasKeys() bool { return h.isThere(h.proc("keys")) }
