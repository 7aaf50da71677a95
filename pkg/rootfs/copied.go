package rootfs

import (
	"errors"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// A tmpfs that begins with what the directory holds is a copy where no overlay can stand: where the root lies on an overlay
// of an overlay. The copy is a part of the plan, so what it has to name is read before the fork. What is a link by then, or
// has grown, is copied as it is then; nothing is followed.

// maxCopied is how many files such a copy may have, maxDeep how far below each other. Others have a volume.
const maxCopied, maxDeep = 4096, 64

// entry is a file that is to be copied.
type entry struct {
	name   string
	mode   uint32 // S_IFMT and permissions
	dev    uint64
	target string // of a symbolic link
	below  []entry
}

// stacked says that no overlay can stand on the directory that a mount covers.
func (t *Tree) stacked(m *mount) bool {
	root := t.facts.Paths[t.path]
	var fs unix.Statfs_t
	if root == nil || t.shows(m.dest) != nil || unix.Fstatfs(root.FD, &fs) != nil || fs.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return false
	}
	return kernel.Host{}.Table().Stacked(root.Mount())
}

func (t *Tree) createCopied(p *plan.Plan, m *mount) {
	readonly := t.createOpen(p, m)
	below := t.copyFrom(p, m)
	p.Act("copy what is on %s to its tmpfs", m.dest)
	p.About(copying(m.dest))
	entries, err := t.content(m)
	if err != 0 {
		p.Fail(err)
	}
	copyEntries(p, below, m.tree, entries)
	p.Close(below)
	if readonly != 0 {
		p.SetAttr(m.tree, readonly, 0, 0, false)
	}
	m.attr.set |= readonly
}

// content lists what the directory has that a mount covers, with all that is below it: nothing where there is none. E2BIG
// is more than is copied.
func (t *Tree) content(m *mount) ([]entry, unix.Errno) {
	fd, err := t.facts.Paths[t.path].OpenAt(m.place, uint64(unix.O_RDONLY|unix.O_DIRECTORY|m.placeFlags), unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if errors.Is(err, unix.ENOENT) {
		return nil, 0
	}
	if err != nil {
		return nil, errnoOf(err)
	}
	left := maxCopied
	return entriesOf(fd, &left, maxDeep)
}

// entriesOf closes dir.
func entriesOf(dir int, left *int, deep int) (all []entry, errno unix.Errno) {
	defer unix.Close(dir)
	names, err := namesIn(dir)
	if err != nil {
		return nil, errnoOf(err)
	}
	if *left -= len(names); *left < 0 || deep == 0 {
		return nil, unix.E2BIG
	}
	for _, name := range names {
		e := entry{name: name}
		if errno = e.look(dir, left, deep); errno != 0 {
			return nil, errno
		}
		all = append(all, e)
	}
	return all, 0
}

func namesIn(dir int) ([]string, error) {
	var names []string
	buf := make([]byte, 16<<10)
	for len(names) <= maxCopied {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil || n == 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	return names, nil
}

// look fills in what the file is that has the entry's name.
func (e *entry) look(dir int, left *int, deep int) (errno unix.Errno) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, e.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return errnoOf(err)
	}
	e.mode, e.dev = st.Mode, st.Rdev
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		fd, err := unix.Openat(dir, e.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return errnoOf(err)
		}
		e.below, errno = entriesOf(fd, left, deep-1)
		return errno
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, e.name, buf)
		if err != nil {
			return errnoOf(err)
		}
		e.target = string(buf[:n])
	}
	return 0
}

func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EIO
}

// copyEntries makes the files of one directory in another, with their owners as the child sees them, and their modes.
func copyEntries(p *plan.Plan, from, to plan.Reg, entries []entry) {
	for _, e := range entries {
		done := p.Label("copied " + e.name)
		switch e.mode & unix.S_IFMT {
		case unix.S_IFDIR:
			copyDir(p, from, to, e)
		case unix.S_IFREG:
			copyFile(p, from, to, e.name)
		case unix.S_IFLNK:
			p.Symlinkat(e.target, plan.R(to), e.name)
		default: // a device cannot be made in a user namespace, and is left out
			p.Mknodat(plan.R(to), e.name, e.mode, e.dev).On(unix.EPERM, done)
		}
		uid, gid, mode := p.StatusOf(from, e.name)
		p.Do("fchownat", unix.SYS_FCHOWNAT, plan.R(to), plan.S(e.name), plan.R(uid), plan.R(gid), plan.C(unix.AT_SYMLINK_NOFOLLOW)).
			Ignore(unix.EPERM, unix.EINVAL) // an owner that the child has no id for
		if e.mode&unix.S_IFMT != unix.S_IFLNK {
			p.Do("fchmodat", unix.SYS_FCHMODAT, plan.R(to), plan.S(e.name), plan.R(mode))
		}
		p.Here(done)
	}
}

func copyDir(p *plan.Plan, from, to plan.Reg, e entry) {
	p.Mkdirat(plan.R(to), e.name, 0o700)
	source := p.OpenAt(plan.R(from), e.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).To("source")
	made := p.OpenAt(plan.R(to), e.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).To("copy")
	copyEntries(p, source, made, e.below)
	p.Close(made)
	p.Close(source)
}

// copyFile copies what the file holds, and no fifo or device that has come in its place: sendfile(2) takes none.
func copyFile(p *plan.Plan, from, to plan.Reg, name string) {
	const most = 1 << 30 // of one call
	source := p.OpenAt(plan.R(from), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0).To("source")
	made := p.OpenAt(plan.R(to), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600).To("copy")
	again := p.Label("more of " + name)
	p.Here(again)
	p.Do("sendfile", unix.SYS_SENDFILE, plan.R(made), plan.R(source), plan.C(0), plan.C(most)).IfNonzero(again)
	p.Close(made)
	p.Close(source)
}
