package worktree

import (
	"bytes"
	"encoding/json"
	"strings"

	"sandbox/pkg/handle"
)

// bundleFile makes a directory a bundle, which `sandbox run NAME` starts when somebody stands in it: with its hooks, outside.
const bundleFile = "config.json"

// mostBundle is more than any such file has that is started, in bytes.
const mostBundle = 8 << 20

// isBundle says whether a file of that name makes a bundle: many programs have a configuration called so.
func isBundle(dir *handle.Handle) bool {
	data, err := readUpTo(dir, bundleFile, mostBundle, 0)
	return err == nil && saysVersion(data)
}

// saysVersion says whether a JSON object has the key that every runtime asks for (config.md, "Specification version"). The
// case of a key says nothing to encoding/json.
func saysVersion(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for d.More() {
		key, err := d.Token()
		if name, ok := key.(string); err != nil || !ok {
			return false
		} else if strings.EqualFold(name, "ociVersion") {
			return true
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return false
		}
	}
	return false
}

// bundle decides about a configuration that came into being or was changed.
func (w *walk) bundle(l *level) {
	dir, path := &handle.Handle{FD: l.fd}, w.in(l, bundleFile)
	for _, f := range w.g.fixed {
		if f.path == path {
			return // the command could not write it
		}
	}
	if w.rewritten(dir, bundleFile) && !w.excepted(path) && isBundle(dir) {
		w.told = append(w.told, moved(missing{dir, bundleFile, path}, "is new or was changed, and makes a bundle whose hooks run outside"))
	}
}
