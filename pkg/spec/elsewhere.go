package spec

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
)

// elsewhere finds what must not be seen in other places of the host's tree than its usual ones: other mounts of what holds
// homes, and file systems of the kernel's, in a chroot say. With a /proc of the host's own processes root has the host.
// They are covered wherever they are, before anything is taken out of the tree: whatever is shared, by whatever name.
func (b *builder) elsewhere() error {
	table := b.caller.Mounts
	if table == nil || table.Plain() {
		return nil
	}
	h := b.everybody()
	place := func(dir *handle.Handle) (p kernel.Place) {
		if dir != nil {
			p = kernel.Place{Path: b.offHost(dir.Now()), Mount: dir.Mount()}
		}
		return p
	}
	views, err := b.held(h, func() ([]kernel.Place, []string) {
		var homes []kernel.Place
		for _, c := range h.covers {
			if c.dir != nil {
				homes = append(homes, place(c.dir))
			}
		}
		return table.Views(homes, place(b.caller.Dir))
	})
	if err != nil {
		return err
	}
	kernels, err := b.held(h, table.Kernels)
	if err != nil {
		return err
	}
	b.kernelDirs = slices.DeleteFunc(kernels, func(k *handle.Handle) bool { return !k.IsDir() && !kernelFS(k.FD) }) // a device of a chroot's
	for _, dir := range shallowFirst(append(views, b.kernelDirs...)) {
		if cwd := b.caller.Dir; cwd != nil && dir.ID == cwd.ID || b.liesIn(dir, b.concealed) {
			continue // shared as far as it may be, or hidden already
		}
		b.concealed = append(b.concealed, dir)
	}
	if b.caller.Made != nil {
		b.caller.Made.Hidden = b.concealed
	}
	return nil
}

// tellHidden tells of what is hidden in what is shared.
func (b *builder) tellHidden() {
	if len(b.concealed) == 0 {
		return
	}
	var shared []string
	if b.shared != nil {
		shared = append(shared, b.shared.Path)
	}
	if root := b.paths[b.spec.Root.Path]; root != nil && b.spec.Root.Path != "/" {
		shared = append(shared, b.offHost(root.Now()))
	}
	for _, m := range b.theirs {
		if h := b.paths[m.Source]; m.Type == "bind" && h != nil && !slices.ContainsFunc(b.concealed, func(dir *handle.Handle) bool { return dir.ID == h.ID }) {
			shared = append(shared, b.offHost(h.Now()))
		}
	}
	paths := map[bool][]string{}
	for _, dir := range b.concealed {
		if slices.ContainsFunc(shared, func(s string) bool { return under(dir.Path, s) }) {
			kernels := slices.Contains(b.kernelDirs, dir)
			paths[kernels] = append(paths[kernels], dir.Path)
		}
	}
	for kernels, why := range map[bool]string{true: "they belong to the kernel", false: "they are of a home"} {
		if list := paths[kernels]; len(list) > 0 {
			code := map[bool]string{true: "kernel-not-shared", false: "home-not-shared"}[kernels]
			b.notice(code, "not shared with the command, for %s: %s; -v PATH shares one", why, strings.Join(shorten(list, 6), " "))
		}
	}
}

func shallowFirst(dirs []*handle.Handle) []*handle.Handle {
	slices.SortStableFunc(dirs, func(x, y *handle.Handle) int { return cmp.Compare(depth(x.Path), depth(y.Path)) })
	return dirs
}

// liesIn says whether one lies in one of others, on the same mount as that.
func (b *builder) liesIn(dir *handle.Handle, others []*handle.Handle) (in bool) {
	if len(others) > 0 && !dir.IsDir() {
		for range 20 { // a file knows of no directory that it lies in
			up, err := b.open(b.offHost(filepath.Dir(dir.Now())))
			if err != nil {
				continue
			}
			defer up.Close()
			if same, err := up.Beneath(filepath.Base(dir.Now())); err == nil {
				same.Close()
				if same.ID == dir.ID {
					return b.liesIn(up, others) || slices.ContainsFunc(others, func(o *handle.Handle) bool { return o.ID == up.ID && o.Mount() == up.Mount() })
				}
			}
		}
		return true // somebody takes care that it is not found
	}
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

// led says whether a path that was typed leads into something hidden only because of a link on its way. Who names such a
// place itself means it.
func (b *builder) led(abs string, h *handle.Handle) bool {
	if len(b.concealed) == 0 || !b.liesIn(h, b.concealed) && !slices.ContainsFunc(b.concealed, func(dir *handle.Handle) bool { return dir.ID == h.ID }) {
		return false
	}
	top, err := b.open("/")
	if err != nil {
		return true
	}
	defer top.Close()
	plain, err := top.Beneath(strings.TrimPrefix(abs, "/"))
	if err != nil {
		return true
	}
	defer plain.Close()
	return plain.ID != h.ID
}

// held opens the places that ask finds in the mount table. A command that runs already may rename directories above them as
// often as it likes: what was opened must be on the mount that was meant, or the table is read again.
func (b *builder) held(h *homes, ask func() ([]kernel.Place, []string)) ([]*handle.Handle, error) {
	path := ""
	for range 20 {
		places, over := ask()
		if i := slices.IndexFunc(over, func(p string) bool { return !b.stays(p) }); i >= 0 {
			path = over[i]
		} else {
			dirs, at, err := b.openPlaces(h, places)
			if err == nil {
				return dirs, nil
			}
			if !errors.Is(err, errMoved) {
				return nil, err
			}
			path = at
		}
		b.caller.Mounts.Again()
	}
	return nil, fmt.Errorf("%s cannot be hidden from the command, for the directories above it are renamed all the time: end what does that, or unmount it", path)
}

// stays says whether nobody but root could rename what a path goes through: the table is right about it.
func (b *builder) stays(path string) bool {
	at, err := b.open("/")
	if err != nil {
		return false
	}
	defer func() { at.Close() }()
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		var st unix.Stat_t
		if unix.Fstat(at.FD, &st) != nil || b.foreign(at.Path, &st) {
			return false
		}
		next, err := at.Beneath(name)
		if err != nil {
			return false
		}
		next.Path = filepath.Join(at.Path, name)
		at.Close()
		at = next
	}
	return path != ""
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
			owner, others := b.shut(p.Path)
			if owner == "" && !others {
				return dirs, p.Path, errMoved // it is open again
			}
			if owner != "" {
				return dirs, p.Path, fmt.Errorf("%s cannot be hidden from the command, for %s is closed to you now and can be opened later: chmod u+x %[2]s", p.Path, owner)
			}
			continue
		case err != nil:
			return dirs, p.Path, errMoved
		}
		dirs = append(dirs, dir)
		if dir.Mount() != p.Mount || p.Whole && !h.has(dir.ID) || !p.Whole && !dir.IsMountRoot() {
			return dirs, p.Path, errMoved
		}
	}
	for _, dir := range dirs {
		b.paths.Keep(dir)
	}
	return dirs, "", nil
}

// shut is the directory on a way that is the caller's and closed even to them; others says that it is somebody else's.
func (b *builder) shut(path string) (own string, others bool) {
	at, err := b.open("/")
	if err != nil {
		return "", false
	}
	defer func() { at.Close() }()
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		next, err := at.Beneath(name)
		if err != nil {
			if at.UID == b.caller.UID {
				return at.Path, false
			}
			return "", errors.Is(err, unix.EACCES)
		}
		next.Path = filepath.Join(at.Path, name)
		at.Close()
		at = next
	}
	return "", false
}

func (h *homes) has(id handle.ID) bool {
	return slices.ContainsFunc(h.covers, func(c cover) bool { return c.dir != nil && c.dir.ID == id })
}
