package rootfs

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// inside is a container path as openat2 with RESOLVE_IN_ROOT wants it.
func inside(path string) string {
	clean := strings.TrimPrefix(filepath.Clean("/"+path), "/")
	if clean == "" {
		return "."
	}
	return clean
}

// find opens a place in the container, making it when it is missing: a
// directory, or an empty file.
func (t *Tree) find(p *plan.Plan, path string, dir bool, flags int) plan.Reg {
	name := inside(path)
	kind := 0
	if dir {
		kind = unix.O_DIRECTORY
	}
	found := p.Reg("place")
	if m := t.shows(path); t.rooms() && m != nil && m.bind() {
		t.findShared(p, m, inside(strings.TrimPrefix(name, m.place)), dir, kind, found)
		return found
	}
	if name == "." {
		p.OpenInRoot(t.root, name, unix.O_PATH|kind).Into(found)
		return found
	}
	if part, ok := strings.CutPrefix(name, "dev/"); ok && t.dev != 0 && !strings.Contains(part, "/") {
		t.findInDev(p, part, dir, found)
		return found
	}
	missing, have := p.Label("make "+path), p.Label("have "+path)
	p.OpenInRoot(t.root, name, unix.O_PATH|kind|flags).On(unix.ENOENT, missing).Into(found)
	p.Goto(have)
	p.Here(missing)
	if flags&unix.O_NOFOLLOW == 0 {
		name = t.links.resolve(name)
	}
	t.make(p, name, dir, found, flags)
	p.Here(have)
	return found
}

// findShared is find in what of the host is shared, where a command that runs
// already may put links on the way while this one looks: none leads out of it.
func (t *Tree) findShared(p *plan.Plan, m *mount, name string, dir bool, kind int, found plan.Reg) {
	missing, have := p.Label("make "+name), p.Label("have "+name)
	p.OpenInside(m.tree, name, unix.O_PATH|kind).On(unix.ENOENT, missing).Into(found)
	p.Goto(have)
	p.Here(missing)
	parent := m.tree
	parts := strings.Split(name, "/")
	for i, part := range parts {
		path := strings.Join(parts[:i+1], "/")
		switch last := i == len(parts)-1; {
		case last && !dir:
			p.OpenAt(plan.R(parent), part, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o644).Ignore(unix.EEXIST)
			p.OpenInside(m.tree, path, unix.O_PATH).Into(found)
		case last:
			p.Mkdirat(plan.R(parent), part, 0o755).Ignore(unix.EEXIST)
			p.OpenInside(m.tree, path, unix.O_PATH|unix.O_DIRECTORY).Into(found)
		default:
			p.Mkdirat(plan.R(parent), part, 0o755).Ignore(unix.EEXIST)
			up := parent
			parent = p.OpenInside(m.tree, path, unix.O_PATH|unix.O_DIRECTORY).To("directory")
			closeBut(p, up, m.tree)
		}
	}
	closeBut(p, parent, m.tree)
	p.Here(have)
}

// findInDev is find for our own tmpfs on /dev: what is missing is made at once,
// and no link can be there.
func (t *Tree) findInDev(p *plan.Plan, name string, dir bool, found plan.Reg) {
	if !dir {
		p.OpenAt(plan.R(t.dev), name, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o644).Ignore(unix.EEXIST)
		p.OpenAt(plan.R(t.dev), name, unix.O_PATH|unix.O_NOFOLLOW, 0).Into(found)
		return
	}
	p.Mkdirat(plan.R(t.dev), name, 0o755).Ignore(unix.EEXIST)
	p.OpenAt(plan.R(t.dev), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0).Into(found)
}

// make creates name below the root, one component at a time, each looked up
// again inside the root: no string is trusted to mean the same twice.
func (t *Tree) make(p *plan.Plan, name string, dir bool, found plan.Reg, flags int) {
	parent := t.root
	parts := strings.Split(name, "/")
	for i, part := range parts {
		path := strings.Join(parts[:i+1], "/")
		last := i == len(parts)-1
		if last && !dir {
			// Not for writing: an open writer keeps the root from becoming
			// read-only (EBUSY).
			p.OpenAt(plan.R(parent), part, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o644).Ignore(unix.EEXIST)
			p.OpenInRoot(t.root, path, unix.O_PATH|flags).Into(found)
			break
		}
		p.Mkdirat(plan.R(parent), part, 0o755).Ignore(unix.EEXIST)
		if last {
			p.OpenInRoot(t.root, path, unix.O_PATH|unix.O_DIRECTORY|flags).Into(found)
			break
		}
		up := parent
		parent = p.OpenInRoot(t.root, path, unix.O_PATH|unix.O_DIRECTORY).To("directory")
		closeBut(p, up, t.root)
	}
	closeBut(p, parent, t.root)
}

// closeBut closes a directory on the way from a tree's root, but not that.
func closeBut(p *plan.Plan, dir, root plan.Reg) {
	if dir != root {
		p.Close(dir)
	}
}

// Put makes a file with content where there is none, for an owner inside. Its directory is made where it is missing.
func (t *Tree) Put(p *plan.Plan, path string, data []byte, uid, gid uint32) {
	p.Act("write %s", path)
	done := p.Label("have " + path)
	dir := t.find(p, filepath.Dir(path), true, 0)
	fd := p.OpenAt(plan.R(dir), filepath.Base(path), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o644).On(unix.EEXIST, done).To("file")
	text := plan.Bytes(data).Show(func() string { return "<content>" })
	p.Do("write", unix.SYS_WRITE, plan.R(fd), plan.M(text), plan.C(len(data)))
	p.Fchownat(fd, uid, gid).Ignore(unix.EPERM, unix.EINVAL)
	p.Close(fd)
	p.Here(done)
	p.Close(dir)
}

// Make makes a directory in the container where it is missing.
func (t *Tree) Make(p *plan.Plan, path string) { p.Close(t.find(p, path, true, 0)) }
