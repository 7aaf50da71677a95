package spec

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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

// realDir follows all links and returns the directory at the end, or "" when there is none.
func (b *builder) realDir(p string) string {
	if !filepath.IsAbs(p) {
		return ""
	}
	real, err := filepath.EvalSymlinks(b.onHost(p))
	if err != nil {
		return ""
	}
	real = b.offHost(real)
	if b.kind(real) != unix.S_IFDIR {
		return ""
	}
	return real
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
