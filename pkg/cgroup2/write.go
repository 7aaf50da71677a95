package cgroup2

import "strings"

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

// Unlimited says that the write takes a limit away: where there is no controller,
// there is none.
func (w Write) Unlimited() bool { return w.Value == "max" || strings.HasPrefix(w.Value, "max ") }

// Controller is the controller whose file it is: the name up to the first dot.
func (w Write) Controller() string {
	for i := range len(w.File) {
		if w.File[i] == '.' {
			return w.File[:i]
		}
	}
	return w.File
}
