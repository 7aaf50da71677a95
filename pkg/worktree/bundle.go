package worktree

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// bundleFile makes a directory a bundle, which `sandbox run NAME` starts when somebody stands in it: with its hooks, outside.
const bundleFile = "config.json"

// mostBundle is more than any such file has that is started, in bytes.
const mostBundle = 8 << 20

// isBundle says whether a file of that name makes a bundle: many programs have a configuration called so. What a link leads to
// that is not shared, or not there yet, is not opened and counts as one.
func (g *Guard) isBundle(rel string) bool {
	h, err := g.dir.Inside(rel)
	if err != nil {
		return true
	}
	defer h.Close()
	if h.Kind() != unix.S_IFREG {
		return false
	}
	data, err := readUpTo(here, h.Name(), mostBundle, 0)
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

// bundle decides about a configuration that came into being or was changed, or may have come with a directory that was moved.
func (w *walk) bundle(l *level) {
	st, young := w.young(l, bundleFile)
	path := w.in(l, bundleFile)
	link := uint32(st.Mode)&unix.S_IFMT == unix.S_IFLNK
	written := slices.ContainsFunc(w.g.fixed, func(f fixed) bool { return f.path == path }) // not by the command
	if written || !young && !link || w.excepted(path) || w.tooLate() || !w.g.isBundle(path) {
		return
	}
	if w.during(st.Ctime) || link && w.rewrittenInside(path) {
		w.aside(l, bundleFile, "is new or was changed, and makes a bundle whose hooks run outside")
	} else if l.fresh {
		w.told = append(w.told, Quote(path)+" may have come with a directory that was moved, and makes "+Quote(w.in(l, ""))+" a bundle whose hooks run outside: look at it before you type sandbox run there")
	}
}

// rewrittenInside says whether what a link leads to, in what is shared, was changed.
func (w *walk) rewrittenInside(path string) bool {
	h, err := w.g.dir.Inside(path)
	if err != nil {
		return false
	}
	defer h.Close()
	var st unix.Statx_t
	return unix.Statx(h.FD, "", unix.AT_EMPTY_PATH, unix.STATX_CTIME, &st) == nil && w.during(st.Ctime)
}
