package cgroup2

// Write is one value of one file of a group (kernel,
// Documentation/admin-guide/cgroup-v2.rst).
type Write struct {
	File  string // "memory.max"
	Value string // as it is written, without a newline
	Field string // what asked for it: "linux.resources.memory.limit"

	// Lenient lets the file be missing or refuse: what asked for it is a hint, or
	// runc only warns.
	Lenient bool
	// Instead is another file that does the same and was written before; where it
	// is there, this one may be missing.
	Instead string
}

// Controller is the controller whose file it is: the name up to the first dot.
func (w Write) Controller() string {
	for i := range len(w.File) {
		if w.File[i] == '.' {
			return w.File[:i]
		}
	}
	return w.File
}
