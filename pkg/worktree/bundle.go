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
	if data, err := g.read(g.dir, bundleFile); err == nil {
		for _, path := range hookPrograms(data) {
			g.protectPath(path)
		}
	}
}

// hookPrograms are the absolute paths that a bundle's hooks name: their programs, and scripts that these are to run.
func hookPrograms(data []byte) (paths []string) {
	var config struct {
		Hooks map[string][]struct {
			Path string
			Args []string
		}
	}
	if json.Unmarshal(data, &config) != nil {
		return nil
	}
	for _, hooks := range config.Hooks {
		for _, h := range hooks {
			for _, path := range append(h.Args, h.Path) {
				if filepath.IsAbs(path) && !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}

// hooks tells of programs that hooks of a bundle name which was there before, and which the command has written: a container of
// it may be there already, and end with them.
func (w *walk) hooks(l *level) {
	fd, err := unix.Openat(l.fd, bundleFile, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	data, err := readFD(fd, mostBundle)
	if err != nil || !bytes.Contains(data, []byte("hooks")) {
		return
	}
	for _, path := range hookPrograms(data) {
		rel, in := below(path, w.g.now())
		text := Quote(rel) + " was changed, and is run outside by hooks of the bundle "
		if !in || w.excepted(rel) || slices.ContainsFunc(w.told, func(t string) bool { return strings.HasPrefix(t, text) }) {
			continue
		}
		h, err := w.g.dir.Link(rel)
		if err != nil {
			continue
		}
		var st unix.Statx_t
		err = unix.Statx(h.FD, "", unix.AT_EMPTY_PATH, unix.STATX_CTIME, &st)
		h.Close()
		if err == nil && w.during(st.Ctime) {
			w.told = append(w.told, text+Quote(filepath.Dir(w.in(l, bundleFile)))+": look at it before you start, end or delete a container of that")
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
	if !written && !link && !w.during(st.Ctime) {
		w.hooks(l)
	}
	if written || !link && !w.during(st.Ctime) || w.excepted(path) || w.tooLate() || !w.g.isBundle(path) {
		return
	}
	if w.born(&st) || w.during(st.Mtime) || link && (young || path == bundleFile) {
		w.aside(l, bundleFile, "is new or was changed, and makes a bundle whose hooks run outside")
		return
	}
	w.told = append(w.told, Quote(path)+" was changed, or may lead elsewhere, and makes a bundle whose hooks run outside: look at it before you type sandbox run there")
}
