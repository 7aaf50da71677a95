package handle

import "golang.org/x/sys/unix"

// Set are the files that one command has opened, by the absolute paths that name them. The nil Set is empty, and cannot be
// added to.
type Set map[string]*Handle

// Open is the file that path has named in this command from the first time on.
func (s Set) Open(path string) (*Handle, error) {
	if h := s[path]; h != nil {
		return h, nil
	}
	h, err := Open(path)
	if err != nil {
		return nil, err
	}
	s[path] = h
	return h, nil
}

// Add makes h what path names. What it named before is closed.
func (s Set) Add(path string, h *Handle) *Handle {
	if old := s[path]; old != nil && old != h {
		old.Close()
	}
	s[path] = h
	return h
}

// shown is put before paths of a container; no path of the host begins so.
const shown = "shown:"

// Show notes that a container is to have this very file at a path of its own.
func (s Set) Show(path string, h *Handle) { s.Add(shown+path, h) }

// Shown is the file that a container is to have at a path of its own, nil where nothing was noted.
func (s Set) Shown(path string) *Handle { return s[shown+path] }

// Close lets go of all files.
func (s Set) Close() {
	closed := map[int]bool{}
	for path, h := range s {
		if !closed[h.FD] { // one file may have two names
			closed[h.FD] = true
			unix.Close(h.FD)
		}
		delete(s, path)
	}
}
