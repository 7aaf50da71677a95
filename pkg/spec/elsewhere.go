package spec

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/worktree"
)

// elsewhere finds what must not be seen in other places of the host's tree than its usual ones: other mounts of what holds
// homes, and file systems of the kernel's, in a chroot say. With a /proc of the host's own processes root has the host.
// They are covered wherever they are, before anything is taken out of the tree: whatever is shared, by whatever name.
func (b *builder) elsewhere() error {
	table := b.caller.Mounts
	if table == nil {
		return nil
	}
	if err := table.Err(); err != nil {
		return fmt.Errorf("what is mounted here cannot be known, and so not hidden from the command: %w", err)
	}
	if table.Plain() {
		return nil
	}
	homes, known, err := b.private()
	if err != nil {
		return err
	}
	cwd := b.caller.Dir
	views, err := b.held(known, func() ([]kernel.Place, []string) {
		var list []kernel.Place
		for _, home := range homes {
			list = append(list, home.now(b))
		}
		shared := kernel.Place{}
		if cwd != nil {
			shared = place{dir: cwd}.now(b)
		}
		return table.Views(list, shared)
	})
	if err != nil {
		return err
	}
	// What shows the working directory once more is of interest in it alone.
	views = slices.DeleteFunc(views, func(v *handle.Handle) bool { return cwd != nil && v.ID == cwd.ID && !under(v.Path, cwd.Path) })
	if b.kernelDirs, err = b.held(known, table.Kernels); err != nil {
		return err
	}
	b.kernelDirs = slices.DeleteFunc(b.kernelDirs, func(k *handle.Handle) bool { return !k.IsDir() && !kernelFS(k.FD) }) // a device of a chroot's
	for _, dir := range append(views, b.kernelDirs...) {
		if !among(b.concealed, dir) && (cwd == nil || !same(dir, cwd)) { // shared as far as it may be
			b.concealed = append(b.concealed, dir)
		}
	}
	// Deep before shallow: what covers one is not in the way to the next.
	slices.SortStableFunc(b.concealed, func(x, y *handle.Handle) int { return cmp.Compare(depth(y.Path), depth(x.Path)) })
	if b.caller.Made != nil {
		b.caller.Made.Hidden = b.concealed
	}
	return nil
}

// place is a directory that is looked for elsewhere.
type place struct {
	dir        *handle.Handle
	whole, all bool // of kernel.Place
}

func (p place) now(b *builder) kernel.Place {
	k := kernel.Place{Mount: p.dir.Mount(), Whole: p.whole, All: p.all}
	if now := p.dir.Now(); now != "" {
		k.Path = b.offHost(now)
	}
	return k
}

// private are the directories that must not be seen in another place: homes, where
// programs meet and where we write down what is to be done outside; and in the working directory that one once more, whose
// hooks would be writable there.
func (b *builder) private() (list []place, known map[handle.ID]bool, err error) {
	known = map[handle.ID]bool{}
	add := func(dir *handle.Handle, whole, all bool) {
		if dir != nil && !known[dir.ID] {
			known[dir.ID] = true
			list = append(list, place{dir, whole, all})
		}
	}
	h := b.everybody()
	for _, own := range h.own {
		add(own, false, false)
	}
	for _, c := range h.covers {
		add(c.dir, false, false)
	}
	for _, home := range slices.Clone(list) {
		if h.isOwn(home.dir) {
			continue
		}
		below, err := b.held(known, func() ([]kernel.Place, []string) { return b.caller.Mounts.Below(home.now(b).Path), nil })
		if err != nil {
			return nil, nil, err
		}
		for _, dir := range below { // people's homes on file systems of their own
			add(dir, false, false)
		}
	}
	if state, missing := b.stateRoot(); missing == "" {
		add(state, false, false)
	}
	add(b.dir(b.caller.RuntimeDir), false, false)
	for _, dir := range append([]string{"/dev/shm"}, scratchDirs...) {
		add(b.dir(dir), true, false)
	}
	if cwd := b.caller.Dir; cwd != nil {
		add(cwd, true, true)
		for _, name := range repositories(cwd) {
			if git, err := cwd.Beneath(name); err == nil {
				b.paths.Keep(git)
				add(git, false, true)
			}
		}
	}
	return list, known, nil
}

// repositories are the names by which git would find some in a directory: of its own, and of clones directly in it.
func repositories(dir *handle.Handle) []string {
	const most = 512 // names that are looked at
	names := []string{".git"}
	fd, err := dir.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return names
	}
	f := os.NewFile(uintptr(fd), dir.Path)
	defer f.Close()
	list, _ := f.Readdirnames(most)
	for _, name := range list {
		names = append(names, name+"/.git")
	}
	return names
}

// same says whether two are one directory on one mount.
func same(x, y *handle.Handle) bool { return x.ID == y.ID && x.Mount() == y.Mount() }

// among says whether one of a list is the same as one directory.
func among(list []*handle.Handle, dir *handle.Handle) bool {
	return slices.ContainsFunc(list, func(h *handle.Handle) bool { return same(h, dir) })
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
		if h := b.paths[m.Source]; m.Type == "bind" && h != nil && !among(b.concealed, h) {
			shared = append(shared, b.offHost(h.Now()))
		}
	}
	var ofKernel, ofHome []string
	for _, dir := range b.concealed {
		switch {
		case !slices.ContainsFunc(shared, func(s string) bool { return under(dir.Path, s) }):
		case slices.Contains(b.kernelDirs, dir):
			ofKernel = append(ofKernel, dir.Path)
		default:
			ofHome = append(ofHome, dir.Path)
		}
	}
	tell := func(code, why string, list []string) {
		if len(list) > 0 {
			b.notice(code, "not shared with the command, for %s: %s; -v PATH shares one", why, strings.Join(shorten(list, 6), " "))
		}
	}
	tell("kernel-not-shared", "they belong to the kernel", ofKernel)
	tell("home-not-shared", "they are of a home", ofHome)
}

// liesIn says whether one lies in one of others, on the same mount as that.
func (b *builder) liesIn(dir *handle.Handle, others []*handle.Handle) (in bool) {
	switch {
	case len(others) == 0:
		return false
	case !dir.IsDir():
		up := b.upOf(dir)
		if up == nil {
			return true // somebody takes care that it is not found
		}
		defer up.Close()
		return among(others, up) || b.liesIn(up, others)
	}
	b.above(dir, func(up *handle.Handle) bool {
		in = among(others, up)
		return !in
	})
	return in
}

// upOf is the directory of a file, which knows of none that it lies in; nil where it is not found by its name.
func (b *builder) upOf(file *handle.Handle) *handle.Handle {
	for range 20 {
		up, err := b.open(b.offHost(filepath.Dir(file.Now())))
		if err != nil {
			continue
		}
		if found, err := up.Beneath(filepath.Base(file.Now())); err == nil {
			found.Close()
			if found.ID == file.ID {
				return up
			}
		}
		up.Close()
	}
	return nil
}

// errMoved is what a place is when it is no more what the mount table had there.
var errMoved = errors.New("moved")

// led says whether a path that was typed leads into something hidden only because of a link on its way. Who names such a
// place itself means it.
func (b *builder) led(abs string, h *handle.Handle) bool {
	if len(b.concealed) == 0 || !b.liesIn(h, b.concealed) && !among(b.concealed, h) {
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
func (b *builder) held(known map[handle.ID]bool, ask func() ([]kernel.Place, []string)) ([]*handle.Handle, error) {
	path := ""
	for range 20 {
		places, over := ask()
		if i := slices.IndexFunc(over, func(p string) bool { return !b.stays(p) }); i >= 0 {
			path = over[i]
		} else {
			dirs, at, err := b.openPlaces(known, places)
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
	return nil, fmt.Errorf("%s cannot be hidden from the command: what is mounted there is not found at its path, because directories above it are renamed all the time, or another mount lies over it: end what does that, or unmount it", path)
}

// stays says whether nobody but root could rename what a path goes through: the table is right about it.
func (b *builder) stays(path string) bool {
	at, err := b.open("/")
	if err != nil {
		return false
	}
	defer func() { at.Close() }()
	names := strings.Split(strings.Trim(path, "/"), "/")
	for i, name := range names {
		var st unix.Stat_t
		if unix.Fstat(at.FD, &st) != nil || b.foreign(at.Path, &st) {
			return false
		}
		if i == len(names)-1 {
			return path != "" // what is there itself may be dead
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
func (b *builder) openPlaces(known map[handle.ID]bool, places []kernel.Place) (dirs []*handle.Handle, at string, err error) {
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
				return dirs, p.Path, fmt.Errorf("%s cannot be hidden from the command, for %s is closed to you now and can be opened later: chmod u+x %[2]s", p.Path, worktree.Quote(owner))
			}
			continue
		case err != nil && b.stays(p.Path):
			continue // a mount that has died
		case err != nil:
			return dirs, p.Path, errMoved
		}
		if p.Whole && dir.Mount() == p.Mount && !known[dir.ID] && b.stays(p.Path) {
			dir.Close()
			continue // another part of a server's, whose paths all begin with "/"
		}
		dirs = append(dirs, dir)
		if dir.Mount() != p.Mount || p.Whole && !known[dir.ID] || !p.Whole && !dir.IsMountRoot() {
			return dirs, p.Path, errMoved
		}
	}
	for _, dir := range dirs {
		b.paths.Keep(dir)
	}
	return dirs, "", nil
}

// shut is the directory on a way that is the caller's and closed even to them; others says that it is somebody else's, and
// that nobody but root could have put it there.
func (b *builder) shut(path string) (own string, others bool) {
	at, err := b.open("/")
	if err != nil {
		return "", false
	}
	defer func() { at.Close() }()
	foreign := false
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		next, err := at.Beneath(name)
		if err != nil {
			if at.UID == b.caller.UID {
				return at.Path, false
			}
			return "", errors.Is(err, unix.EACCES) && !foreign
		}
		var st unix.Stat_t
		foreign = foreign || unix.Fstat(at.FD, &st) != nil || b.foreign(at.Path, &st)
		next.Path = filepath.Join(at.Path, name)
		at.Close()
		at = next
	}
	return "", false
}
