package rootfs

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Facts are what the steps depend on besides the spec.
type Facts struct {
	Bundle   string                // what relative paths of the spec are relative to
	Scratch  string                // an existing private directory for throw-away overlay layers
	Mknod    bool                  // device nodes can be made here; never in a user namespace
	MapsGID  func(gid uint32) bool // whether a group id exists inside
	Inherits bool                  // the mount namespace is joined: it has its tree already
	NewMount bool                  // a mount namespace of its own
	OwnIDs   bool                  // no other user namespace than the caller's: no id has to wait for a map

	// Clone copies a mount of the caller's tree now, before the fork, and
	// returns its fd; nil leaves that to the child.
	Clone func(path string, recursive bool) (int, error)
}

// Notes that tell which rung of a ladder was taken.
const (
	NoteProcBound   = "proc.bound"
	NoteSysBound    = "sysfs.bound"
	NoteCgroupBound = "cgroup.bound"
	NoteMqueueBound = "mqueue.bound"
)

// Tree appends the steps of one container's file tree.
type Tree struct {
	spec   *specs.Spec
	facts  Facts
	mounts []*mount

	path   string   // of the root, in the caller's tree
	root   plan.Reg // the tree, first detached, later attached
	covers int      // index of a mount on "/" that stands for the root; -1 none
	nulls  plan.Reg // the caller's /dev/null
	nodes  []node
	upper  plan.Reg // the scratch tmpfs
}

// New reads the spec. Errors name the field.
func New(s *specs.Spec, f Facts) (*Tree, error) {
	t := &Tree{spec: s, facts: f, covers: -1}
	if s.Root == nil {
		return nil, fmt.Errorf("root: missing")
	}
	t.path = s.Root.Path
	if !filepath.IsAbs(t.path) {
		t.path = filepath.Join(f.Bundle, t.path)
	}
	for i, m := range s.Mounts {
		parsed, err := parseMount(m, f)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", i, m.Destination, err)
		}
		if parsed.dest == "/" {
			t.covers = i
		}
		t.mounts = append(t.mounts, parsed)
	}
	if t.covers > 0 {
		return nil, fmt.Errorf("mounts[%d] (/): only the first mount can become the root", t.covers)
	}
	if l := s.Linux; l != nil && l.RootfsPropagation != "" && propagations[l.RootfsPropagation] == 0 {
		return nil, fmt.Errorf("linux.rootfsPropagation: unknown value %q", l.RootfsPropagation)
	}
	t.nodes = nodesOf(s)
	return t, nil
}

// Root is the register with the root's fd, for steps that look inside before
// the pivot.
func (t *Tree) Root() plan.Reg { return t.root }

// Prepare appends what happens as the caller.
func (t *Tree) Prepare(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	p.Act("keep mount events of the container away from the host")
	p.Propagation("/", t.hostPropagation())
	if t.covers < 0 {
		p.Act("open root %s", t.path)
		t.root = t.clone(p, t.path, true)
	}
	for _, m := range t.mounts {
		t.prepare(p, m)
	}
	if t.covers == 0 {
		t.root = t.mounts[0].tree
	}
	t.prepareDevices(p)
}

// Assemble appends what happens as the container's root.
func (t *Tree) Assemble(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	if t.covers == 0 && t.mounts[0].lower != "" {
		t.createOverlay(p, t.mounts[0])
		t.root = t.mounts[0].tree
	}
	p.Act("attach root %s", t.path)
	slash, have := p.Label("no way to it"), p.Label("have a place")
	place := p.Reg("place")
	p.Open(t.path, unix.O_PATH|unix.O_DIRECTORY).On(unix.EACCES, slash).Into(place)
	p.Goto(have)
	p.Here(slash)
	// Any place does, for the pivot takes it away; but hooks that look from
	// inside the mount namespace would see what is on "/" as their root.
	p.Open("/", unix.O_PATH|unix.O_DIRECTORY).Into(place)
	p.Here(have)
	p.MoveMount(t.root, place)
	for i, m := range t.mounts {
		if i != t.covers {
			t.attach(p, m)
		}
	}
	t.makeDevices(p)
}

// Seal appends masks, read-only paths and a read-only root.
func (t *Tree) Seal(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	if l := t.spec.Linux; l != nil {
		for _, path := range l.ReadonlyPaths {
			t.readonly(p, path)
		}
		for _, path := range l.MaskedPaths {
			t.mask(p, path)
		}
	}
	if t.spec.Root.Readonly {
		p.Act("make the root read-only")
		p.SetAttr(t.root, unix.MOUNT_ATTR_RDONLY, 0, 0, false)
	}
}

// Pivot appends the change of root. The caller's tree is detached, not hidden.
func (t *Tree) Pivot(p *plan.Plan, noPivot bool) {
	switch {
	case t.facts.Inherits:
		return
	case !t.facts.NewMount:
		p.Act("change root to %s", t.path)
		p.Chdir(t.path)
		p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
	case noPivot:
		// For a root on an initramfs, which cannot be pivoted away.
		p.Act("change root without pivot")
		slash := p.Open("/", unix.O_PATH|unix.O_DIRECTORY).To("old root")
		p.Fchdir(t.root)
		p.Do("move_mount", unix.SYS_MOVE_MOUNT, plan.R(t.root), plan.S(""), plan.R(slash), plan.S(""),
			plan.C(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
		p.Do("chroot", unix.SYS_CHROOT, plan.S("."))
		p.Chdir("/")
		return
	default:
		// pivot_root(2): with "." twice the old root is stacked on the new
		// one and needs no directory of its own.
		p.Act("pivot to the root")
		p.Fchdir(t.root)
		p.Do("pivot_root", unix.SYS_PIVOT_ROOT, plan.S("."), plan.S("."))
		p.Do("umount2", unix.SYS_UMOUNT2, plan.S("."), plan.C(unix.MNT_DETACH))
		p.Chdir("/")
		t.propagate(p)
		return
	}
	p.Chdir("/")
}

// propagate sets linux.rootfsPropagation on the new root.
func (t *Tree) propagate(p *plan.Plan) {
	if t.spec.Linux == nil || t.spec.Linux.RootfsPropagation == "" {
		return
	}
	o := propagations[t.spec.Linux.RootfsPropagation]
	p.Act("make the root %s", t.spec.Linux.RootfsPropagation)
	// Only the root itself: mounts below have what they asked for.
	p.Propagation("/", uintptr(o&^unix.MS_REC))
}

// hostPropagation is that of the caller's mounts while the tree is made: slave,
// so that they can be given new ones later, unless the spec cuts that too.
func (t *Tree) hostPropagation() uintptr {
	if l := t.spec.Linux; l != nil && propagations[l.RootfsPropagation]&unix.MS_PRIVATE != 0 {
		return unix.MS_REC | unix.MS_PRIVATE
	}
	return unix.MS_REC | unix.MS_SLAVE
}

// clone is a copy of a mount of the caller's tree, made now or by the child.
func (t *Tree) clone(p *plan.Plan, path string, recursive bool) plan.Reg {
	if t.facts.Clone != nil {
		// Where even the caller may not, the child's try names the error.
		if fd, err := t.facts.Clone(path, recursive); err == nil {
			r := p.Reg("copy")
			p.Set(r, plan.C(fd))
			return r
		}
	}
	return p.CloneTree(plan.Cwd(), path, recursive).To("copy")
}

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
	missing, have := p.Label("make "+path), p.Label("have "+path)
	p.OpenInRoot(t.root, name, unix.O_PATH|kind|flags).On(unix.ENOENT, missing).Into(found)
	p.Goto(have)
	p.Here(missing)
	t.make(p, name, dir, found)
	p.Here(have)
	return found
}

// make creates name below the root, one component at a time, each looked up
// again inside the root: no string is trusted to mean the same twice.
func (t *Tree) make(p *plan.Plan, name string, dir bool, found plan.Reg) {
	parent := t.root
	parts := strings.Split(name, "/")
	for i, part := range parts {
		path := strings.Join(parts[:i+1], "/")
		last := i == len(parts)-1
		if last && !dir {
			// Not for writing: an open writer keeps the root from becoming
			// read-only (EBUSY).
			p.OpenAt(plan.R(parent), part, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o644).Ignore(unix.EEXIST)
			p.OpenInRoot(t.root, path, unix.O_PATH).Into(found)
			return
		}
		p.Mkdirat(plan.R(parent), part, 0o755).Ignore(unix.EEXIST)
		open := p.OpenInRoot(t.root, path, unix.O_PATH|unix.O_DIRECTORY)
		if last {
			open.Into(found)
			return
		}
		parent = open.To("directory")
	}
}

// Make makes a directory in the container where it is missing.
func (t *Tree) Make(p *plan.Plan, path string) { t.find(p, path, true, 0) }

// Path is the root's absolute path in the caller's tree.
func (t *Tree) Path() string { return t.path }
