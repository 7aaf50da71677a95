package spec

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// onHost is where a host path is looked at.
func (b *builder) onHost(p string) string { return filepath.Join("/", b.wish.hostRoot, p) }

// offHost is the name on the host of what is looked at.
func (b *builder) offHost(p string) string {
	return filepath.Clean("/" + strings.TrimPrefix(p, strings.TrimSuffix(b.wish.hostRoot, "/")))
}

// kind is the file type (S_IFDIR and so on) of what is at p itself, links not followed; 0 for nothing.
func (b *builder) kind(p string) uint32 {
	var st unix.Stat_t
	if unix.Lstat(b.onHost(p), &st) != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
}

// dir is the directory at a path of the host, through all links, by the name that it has then. It is the same one for the
// whole command. Nil is none.
func (b *builder) dir(p string) *handle.Handle {
	if !filepath.IsAbs(p) {
		return nil
	}
	if h, known := b.dirs[p]; known {
		if h != nil && h.FD < 0 {
			h.Wake(b.onHost(p))
		}
		return h
	}
	h, err := handle.Open(b.onHost(p))
	if err == nil {
		now := h.Now()
		if !h.IsDir() || now == "" {
			h.Close()
			h = nil
		} else {
			h.Path = b.offHost(now)
			b.paths.Keep(h)
		}
	}
	if b.dirs == nil {
		b.dirs = map[string]*handle.Handle{}
	}
	b.dirs[p] = h
	return h
}

// above calls each for the directories that one lies in, from the nearest on, until it is told to stop. The way goes by "..",
// which cannot be mistaken.
func (b *builder) above(dir *handle.Handle, each func(*handle.Handle) bool) {
	at := dir
	defer func() {
		if at != dir {
			at.Close()
		}
	}()
	for {
		up, err := at.Open("..")
		if err != nil {
			return
		}
		root := up.ID == at.ID && up.Mount() == at.Mount() // a directory may be mounted in itself
		if at != dir {
			at.Close()
		}
		if at = up; root || !each(at) {
			return
		}
	}
}

// lies says how many levels below the directory of an ID another one lies, 0 where it is that one itself.
func (b *builder) lies(dir *handle.Handle, in handle.ID) (levels int, found bool) {
	if dir.ID == in {
		return 0, true
	}
	b.above(dir, func(up *handle.Handle) bool {
		levels++
		found = up.ID == in
		return !found
	})
	return levels, found
}

// under tells whether p is dir or below it; both are clean and absolute.
func under(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// abs makes a path the caller typed absolute.
func (b *builder) abs(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join("/", b.caller.Cwd, p)
}
