package spec

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
)

// elsewhere finds what must not be seen in other places of the host's tree than its usual ones: other mounts of what holds
// homes, and file systems of the kernel's, in a chroot say. With a /proc of the host's own processes root has the host.
// They are covered wherever they are, before anything is taken out of the tree.
func (b *builder) elsewhere(h *homes) (mounts []specs.Mount, err error) {
	table := b.caller.Mounts
	if table == nil {
		return nil, nil
	}
	place := func(dir *handle.Handle) (p kernel.Place) {
		if dir != nil {
			p = kernel.Place{Path: b.offHost(dir.Now()), Mount: dir.Mount()}
		}
		return p
	}
	views, err := b.held(h, func() ([]kernel.Place, bool) {
		var homes []kernel.Place
		for _, c := range h.covers {
			if c.dir != nil {
				homes = append(homes, place(c.dir))
			}
		}
		return table.Views(homes, place(b.caller.Dir))
	})
	if err != nil {
		return nil, err
	}
	kernels, err := b.held(h, table.Kernels)
	if err != nil {
		return nil, err
	}
	kernels = slices.DeleteFunc(kernels, func(k *handle.Handle) bool { return !k.IsDir() && !kernelFS(k.FD) }) // a device of a chroot's
	var hidden []*handle.Handle
	b.unseen = map[handle.ID]bool{}
	for _, dir := range shallowFirst(append(slices.Clone(views), kernels...)) {
		if cwd := b.caller.Dir; cwd != nil && dir.ID == cwd.ID || b.liesIn(dir, hidden) {
			continue // shared as far as it may be, or hidden already
		}
		hidden = append(hidden, dir)
		b.unseen[dir.ID] = true
		b.paths.Cover(dir.Path, dir)
		if dir.IsDir() {
			mounts = append(mounts, emptyRoom(dir.Path)) // the working directory may lie in one
		} else {
			mounts = append(mounts, readOnlyFile("/dev/null", dir.Path))
		}
	}
	b.tellHidden("kernel-not-shared", "for they belong to the kernel", kernels)
	b.tellHidden("home-not-shared", "for they are of a home", views)
	return mounts, nil
}

// tellHidden tells of what lies in the working directory.
func (b *builder) tellHidden(code, why string, dirs []*handle.Handle) {
	var paths []string
	for _, dir := range dirs {
		if cwd := b.caller.Dir; cwd != nil && dir.ID != cwd.ID && under(dir.Path, cwd.Path) {
			paths = append(paths, dir.Path)
		}
	}
	if len(paths) > 0 {
		b.notice(code, "not shared with the command, %s: %s; -v PATH shares one", why, strings.Join(shorten(paths, 6), " "))
	}
}

func shallowFirst(dirs []*handle.Handle) []*handle.Handle {
	slices.SortStableFunc(dirs, func(x, y *handle.Handle) int { return cmp.Compare(depth(x.Path), depth(y.Path)) })
	return dirs
}

// liesIn says whether one lies in one of others, on the same mount as that.
func (b *builder) liesIn(dir *handle.Handle, others []*handle.Handle) (in bool) {
	if len(others) > 0 {
		b.above(dir, func(up *handle.Handle) bool {
			in = slices.ContainsFunc(others, func(o *handle.Handle) bool { return o.ID == up.ID && o.Mount() == up.Mount() })
			return !in
		})
	}
	return in
}

// errMoved is what a place is when it is no more what the mount table had there.
var errMoved = errors.New("moved")

// held opens the places that ask finds in the mount table. A command that runs already may rename directories above them as
// often as it likes: what was opened must be on the mount that was meant, or the table is read again.
func (b *builder) held(h *homes, ask func() ([]kernel.Place, bool)) ([]*handle.Handle, error) {
	path := ""
	for range 20 {
		places, sure := ask()
		if !sure && !b.caller.Mounts.Again() {
			continue
		}
		dirs, at, err := b.openPlaces(h, places)
		if err == nil {
			return dirs, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		path = at
		b.caller.Mounts.Again()
	}
	return nil, fmt.Errorf("%s cannot be hidden from the command, for the directories above it are renamed all the time: end what does that, or unmount it", path)
}

// openPlaces opens them. What the caller cannot get at, nor can the command.
func (b *builder) openPlaces(h *homes, places []kernel.Place) (dirs []*handle.Handle, at string, err error) {
	defer func() {
		if err != nil {
			for _, dir := range dirs {
				dir.Close()
			}
		}
	}()
	for _, p := range places {
		dir, err := b.open(p.Path)
		switch {
		case errors.Is(err, unix.EACCES):
			if owner := b.shut(p.Path); owner != "" {
				return dirs, p.Path, fmt.Errorf("%s cannot be hidden from the command, for %s is closed to you now and can be opened later: chmod u+x %[2]s", p.Path, owner)
			}
			continue
		case err != nil:
			return dirs, p.Path, errMoved
		}
		dirs = append(dirs, dir)
		if dir.Mount() != p.Mount || p.Whole && !h.has(dir.ID) {
			return dirs, p.Path, errMoved
		}
	}
	for _, dir := range dirs {
		b.paths.Keep(dir)
	}
	return dirs, "", nil
}

// shut is the directory on a way that is the caller's and closed even to them, "" where it is somebody else's that is.
func (b *builder) shut(path string) string {
	at, err := b.open("/")
	if err != nil {
		return ""
	}
	defer func() { at.Close() }()
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		next, err := at.Beneath(name)
		if err != nil {
			if at.UID == b.caller.UID {
				return at.Path
			}
			return ""
		}
		next.Path = filepath.Join(at.Path, name)
		at.Close()
		at = next
	}
	return ""
}

func (h *homes) has(id handle.ID) bool {
	return slices.ContainsFunc(h.covers, func(c cover) bool { return c.dir != nil && c.dir.ID == id })
}
