package worktree

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// bundleFile makes a directory a bundle, which `sandbox run NAME` starts when somebody stands in it: with its hooks, outside.
const bundleFile = "config.json"

// mostBundle is more than any such file has that is started, in bytes.
const mostBundle = 8 << 20

// isBundle says whether a file of that name makes a bundle: many programs have a configuration called so. What a link leads to
// that is not shared, or not there yet, is not opened and counts as one, and so does what its owner has closed.
func (g *Guard) isBundle(rel string) bool {
	h, err := g.dir.Inside(rel)
	if err != nil {
		return true
	}
	defer h.Close()
	data, err := readHandle(h, mostBundle)
	return err == nil && saysVersion(data) || errors.Is(err, unix.EACCES) && h.UID == uint32(os.Geteuid())
}

// protectBundle protects what makes the shared directory a bundle, and the programs that are its hooks.
func (g *Guard) protectBundle() {
	g.protect(g.dir, &g.Inside, bundleFile)
	var config struct {
		Hooks map[string][]struct {
			Path string
			Args []string
		}
	}
	data, err := g.read(g.dir, bundleFile)
	if err != nil || json.Unmarshal(data, &config) != nil {
		return
	}
	for _, hooks := range config.Hooks {
		for _, h := range hooks {
			for _, path := range append(h.Args, h.Path) {
				if filepath.IsAbs(path) {
					g.protectPath(path)
				}
			}
		}
	}
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

// bundle decides about a configuration that came into being or was changed. A link may lead to something else by now.
func (w *walk) bundle(l *level) {
	st, young := w.young(l, bundleFile)
	path := w.in(l, bundleFile)
	link := uint32(st.Mode)&unix.S_IFMT == unix.S_IFLNK
	written := slices.ContainsFunc(w.g.fixed, func(f fixed) bool { return f.path == path }) // not by the command
	if written || !link && !w.during(st.Ctime) || w.excepted(path) || w.tooLate() || !w.g.isBundle(path) {
		return
	}
	if w.born(&st) || w.during(st.Mtime) || link && (young || path == bundleFile) {
		w.aside(l, bundleFile, "is new or was changed, and makes a bundle whose hooks run outside")
		return
	}
	w.told = append(w.told, Quote(path)+" was changed, or may lead elsewhere, and makes a bundle whose hooks run outside: look at it before you type sandbox run there")
}
