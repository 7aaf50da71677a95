package spec

import (
	"path/filepath"

	"sandbox/pkg/handle"
)

// OpenBundle opens the directory of a bundle, by the path that was typed, into the caller's paths. One that lies in the working
// directory may be a command's that ran there: the links on its way are followed as for every other path that is typed
// ([builder.typed]). Engines name theirs by an absolute path elsewhere, and that way is their own.
func OpenBundle(c Caller, path string) (*handle.Handle, error) {
	b := &builder{caller: c, paths: c.Paths}
	if err := b.openWorkdir(); err != nil {
		return nil, err
	}
	abs := b.abs(path)
	if h := b.paths[abs]; h != nil && filepath.IsAbs(path) {
		return h, nil
	}
	if filepath.IsAbs(path) && (!under(abs, c.Cwd) || c.Cwd == "/" || c.Dir != nil && b.isHome(c.Dir.ID)) {
		return b.paths.Open(abs)
	}
	if err := b.cameByLinkTo(true); err != nil {
		return nil, err
	}
	if err := b.bundleBehind(last(c.Env, "PWD")); err != nil {
		return nil, err
	}
	return b.typed(path)
}

// bundleBehind refuses a working directory to which a shell has come through a link within a project: what is behind it may be
// where nobody looks for bundles, as `bundle -> .git/x` is.
func (b *builder) bundleBehind(way string) error {
	if b.caller.Dir == nil || way == b.caller.Cwd || !filepath.IsAbs(way) {
		return nil
	}
	h, linked, err := b.openTyped(way)
	if err != nil {
		return nil // it leads here no more, of which more is known before
	}
	defer h.Close()
	if linked && h.ID == b.caller.Dir.ID && b.obeyed(h) {
		return b.leadsOut(way)
	}
	return nil
}
