package handle

import (
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

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

// OpenIn is that for a path which may begin at a directory, where that is in the set: at that very one.
func (s Set) OpenIn(dir, path string) (*Handle, error) {
	if filepath.IsAbs(path) {
		return s.Open(path)
	}
	full, in := filepath.Join(dir, path), s[dir]
	if in == nil || s[full] != nil {
		return s.Open(full)
	}
	h, err := in.Open(path)
	if err != nil {
		return nil, err
	}
	h.Path = full
	s[full] = h
	return h, nil
}

// Add makes h what path names. What it named before stays open until all are closed, for it may have other names here.
func (s Set) Add(path string, h *Handle) *Handle {
	if old := s[path]; old != nil && old != h {
		s.Keep(old)
	}
	s[path] = h
	return h
}

// These are put before paths of a container; no path of the host begins so.
const (
	shown   = "shown:"
	covered = "covered:"
	copied  = "copied:"
	inTree  = "tree:"
	kept    = "kept:"
)

// Show notes that a container is to have this very file at a path of its own.
func (s Set) Show(path string, h *Handle) { s.Add(shown+path, h) }

// Shown is the file that a container is to have at a path of its own, nil where nothing was noted.
func (s Set) Shown(path string) *Handle { return s[shown+path] }

// Cover notes that what a container has mounted at a path is to lie over this very file of the host.
func (s Set) Cover(path string, h *Handle) { s.Add(covered+path, h) }

// Covered is what a mount at a path is to lie over, nil where nothing was noted.
func (s Set) Covered(path string) *Handle { return s[covered+path] }

// Copy notes that what a container has mounted at a path begins with what this very directory holds.
func (s Set) Copy(path string, h *Handle) { s.Add(copied+path, h) }

// Copied is the directory that a mount at a path begins with, nil where nothing was noted.
func (s Set) Copied(path string) *Handle { return s[copied+path] }

// Take notes that a container is to have this very directory of the host at its own path, as its copy of the host's tree
// shows it: with what lies over its parts there.
func (s Set) Take(path string, h *Handle) { s.Add(inTree+path, h) }

// Taken is the directory that is taken from the tree for a path, nil where nothing was noted.
func (s Set) Taken(path string) *Handle { return s[inTree+path] }

// Keep holds a file that has no name here until the others are closed.
func (s Set) Keep(h *Handle) { s[kept+strconv.Itoa(h.FD)] = h }

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
