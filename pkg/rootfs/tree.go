package rootfs

import (
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Facts are what the steps depend on besides the spec.
type Facts struct {
	Bundle   string                // what relative paths of the spec are relative to
	Scratch  Scratch               // where throw-away overlay layers are mounted
	Mknod    bool                  // device nodes can be made here; never in a user namespace
	MapsGID  func(gid uint32) bool // whether a group id exists inside
	NewMount bool                  // a mount namespace other than the caller's, new or joined
	Whole    func() []string       // mount points of the caller's that show all of a procfs or sysfs
	SELinux  bool                  // it is active on this host
	FewFiles bool                  // little can be open at a time

	// Paths are the files of the host that were looked at before; what they name
	// must still be the same when it is mounted. Nil looks now.
	Paths handle.Set
	// Elsewhere says that paths of the spec are looked up in a mount namespace
	// that is joined, where they may name other files than here.
	Elsewhere bool
	Kcore     bool // this kernel has a /proc/kcore

	// Hidden are directories and files of the host that the container must not
	// see, wherever they lie, shallow before deep. What it gets of the host is
	// then taken from one copy of all mounts, in which they are covered.
	Hidden []*handle.Handle
	// Typed: the spec was made of flags. No device node of the root itself can be opened then, those of /dev are mounts of their
	// own; and the flags of a mount's source stay, unless they were named.
	Typed bool

	// RootOwner are the user and group, inside, of a root that is made of layers, whose upper directory is the caller's; nil leaves it so.
	RootOwner []uint32

	// Clone copies a mount of the caller's tree now, before the fork, and
	// returns its fd; nil leaves that to the child.
	Clone func(Copy) (int, error)

	// Group appends the way into the container's cgroup namespace, before the
	// first step that depends on it: a cgroup2 mount shows the namespace of who
	// makes it. Nil where there is nothing to wait for.
	Group func(*plan.Plan)

	// IDMap returns an fd of a user namespace with these mappings, for an
	// idmapped mount of source ("" for a filesystem that is made new). Without
	// mappings the container's own are meant.
	IDMap func(uids, gids []specs.LinuxIDMapping, source string) (int, error)
}

// Scratch is a directory that nobody looks at, and a descriptor.
type Scratch struct {
	Path  string
	ID    handle.ID
	Fixed bool // whatever is at the path is meant, and ID says nothing
	// Number is a descriptor that the child has no use for, and gives the layers instead: their
	// path then begins there, and not with names that somebody could exchange. -1 is none.
	Number int
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
	places places // of the mounts so far
	links  links
	losses kernel.Contract

	path      string              // of the root, in the caller's tree
	onTop     string              // of the mount that the root lies on
	onWay     string              // from there to the root
	root      plan.Reg            // the tree, first detached, later attached
	host      plan.Reg            // the copy of the host's tree that all is taken from; 0 none
	at        map[*mount]plan.Reg // what is taken from it
	scratchAt plan.Reg            // the scratch directory
	rootAt    plan.Reg            // the root in it
	covers    int                 // index of a mount on "/" that stands for the root; -1 none
	nulls     plan.Reg            // the caller's /dev/null
	blank     plan.Reg            // what masks of directories show
	dev       plan.Reg            // a tmpfs on /dev that nobody but us has written to; 0 none
	nodes     []node
	upper     plan.Reg // the scratch tmpfs
	shelf     shelf    // of binds and devices that are prepared
	begun     int      // filesystems that are
}

// New reads the spec. Errors name the field.
func New(s *specs.Spec, f Facts) (*Tree, error) {
	t := &Tree{spec: s, facts: f, covers: -1, shelf: shelf{few: f.FewFiles}}
	if s.Root == nil {
		return nil, fmt.Errorf("root: missing")
	}
	t.path = s.Root.Path
	if !filepath.IsAbs(t.path) {
		t.path = filepath.Join(f.Bundle, t.path)
	}
	if t.facts.Paths == nil {
		t.facts.Paths = handle.Set{}
		defer t.facts.Paths.Close() // their numbers are known
	}
	if t.path != "/" {
		root, _ := t.facts.Paths.Open(t.path) // what keeps us from it, the start tells
		if t.shared() {
			t.onTop, t.onWay = mountOf(root)
		}
	}
	if err := checkLabel(s.Linux, f); err != nil {
		return nil, err
	}
	for i, m := range s.Mounts {
		parsed, err := t.parseMount(i, m)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", i, m.Destination, err)
		}
		if parsed.dest == "/" && !parsed.remount {
			t.covers = i
		}
		if err := t.places.add(parsed); err != nil {
			return nil, fmt.Errorf("mounts[%d].destination: %w", i, err)
		}
		t.mounts = append(t.mounts, parsed)
	}
	if t.covers > 0 {
		return nil, fmt.Errorf("mounts[%d] (/): only the first mount can become the root", t.covers)
	}
	if !f.NewMount {
		if err := t.checkHostTree(); err != nil {
			return nil, err
		}
	}
	if l := s.Linux; l != nil && l.RootfsPropagation != "" && propagations[l.RootfsPropagation] == 0 {
		return nil, fmt.Errorf("linux.rootfsPropagation: unknown value %q", l.RootfsPropagation)
	}
	return t, t.readNodes()
}

// Root is the register with the root's fd, for steps that look inside before
// the pivot.
func (t *Tree) Root() plan.Reg { return t.root }

// Path is the root's absolute path in the caller's tree.
func (t *Tree) Path() string { return t.path }

// Dir is the directory that the root is a copy of, nil where it is a file system of its own.
func (t *Tree) Dir() *handle.Handle {
	if t.covers >= 0 {
		return nil
	}
	return t.facts.Paths[t.path]
}

// Losses are what of the spec cannot be had here, known before the fork.
func (t *Tree) Losses() kernel.Contract { return t.losses }

// Prepare appends what happens as the caller.
func (t *Tree) Prepare(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	t.detachFromHost(p)
	if t.hides() && !t.rooms() {
		p.Act("copy the host's tree")
		t.host = t.clone(p, Copy{Path: "/", Recursive: true, IDs: -1}, "")
		t.findTaken(p)
	}
	if t.covers < 0 && t.host == 0 {
		p.Act("open root %s", t.path)
		p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.OpenRoot, Path: t.path}})
		t.root = t.clone(p, Copy{Path: t.path, Recursive: true, IDs: -1, Of: t.facts.Paths[t.path]}, "root")
		t.noDevices(p)
	}
	if t.rooms() || t.hides() {
		t.findScratch(p)
	}
	for _, m := range t.mounts {
		t.prepare(p, m)
	}
	if t.covers == 0 {
		t.root = t.mounts[0].tree
	}
	if t.rooms() {
		t.host = t.root
		t.findTaken(p)
	}
	t.prepareDevices(p)
}

// keep says whether something is still to be done with a mount after it is attached, by its descriptor. All others are closed:
// a plan of any number of steps has few open.
func (t *Tree) keep(m *mount) bool {
	return m.sealed || m.fstype == "proc" || m.fstype == "sysfs" || m.place == "dev" || t.facts.Typed || t.propagation()&unix.MS_REC != 0
}

// Assemble appends what happens as the container's root.
func (t *Tree) Assemble(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	if t.covers == 0 {
		t.makeCover(p, t.mounts[0])
	} else {
		t.links.add("", t.path)
	}
	if t.host != 0 && !t.rooms() {
		p.Act("attach the copy of the host's tree")
		p.MoveMount(t.host, t.anyPlace(p))
		t.divide(p)
	}
	p.Act("attach root %s", t.path)
	p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.Attach, Path: t.path}})
	switch {
	case t.host != 0 && !t.rooms():
		p.MoveMount(t.root, t.host) // which lies at the place
	case t.shared():
		p.MoveMount(t.root, t.privatePlace(p))
	default:
		p.MoveMount(t.root, t.anyPlace(p))
	}
	if t.rooms() {
		t.divide(p)
	}
	for i, m := range t.mounts {
		if i != t.covers {
			t.attach(p, m)
		}
	}
	t.makeDevices(p)
}

// anyPlace is where the root is attached. Any place that nobody else has chosen
// does, for the pivot takes it away: what was found at the path, for on another
// one, /proc say, it would be in the way of what is still to be done by name. Hooks
// that look from inside the mount namespace would see what is on "/" as their root.
func (t *Tree) anyPlace(p *plan.Plan) plan.Reg {
	slash, have, ready := p.Label("no way to it"), p.Label("found a place"), p.Label("have a place")
	place := p.Reg("place")
	p.Open(t.path, unix.O_PATH|unix.O_DIRECTORY).On(unix.EACCES, slash).Into(place)
	p.Goto(have)
	p.Here(slash)
	p.Open("/", unix.O_PATH|unix.O_DIRECTORY).Into(place)
	p.Goto(ready)
	p.Here(have)
	t.same(p, place, t.facts.Paths[t.path])
	p.Here(ready)
	return place
}

// makeCover finishes the mount that stands for the root.
func (t *Tree) makeCover(p *plan.Plan, m *mount) {
	switch {
	case m.lower != "":
		t.links.add("", m.lower)
		t.createOverlay(p, m)
	case m.stack() != nil:
		t.links.add("", "")
		t.createStack(p, m, m.stack())
	case !m.early():
		t.links.add("", "")
		t.create(p, m)
	case !m.bind():
		t.links.add("", "")
		t.finish(p, m)
	default:
		t.links.add("", m.source)
	}
	t.root = m.tree
}

// place remembers what is in a destination now.
func (t *Tree) place(m *mount) {
	t.places.there[m.place] = m
	source := ""
	if m.bind() || m.copyUp {
		source = m.source
	}
	if m.copyUp {
		source = filepath.Join(t.path, m.dest)
	}
	at := t.links.resolve(m.place)
	t.links.add(at, source)
	switch {
	case at == "dev" && m.dest == "/dev" && m.fstype == "tmpfs" && !m.copyUp:
		t.dev = m.tree
	case at == "dev" || at == ".":
		t.dev = 0
	}
}

// Seal appends masks, read-only paths and a read-only root.
func (t *Tree) Seal(p *plan.Plan) {
	if !t.facts.NewMount {
		return
	}
	if l := t.spec.Linux; l != nil {
		once(l.ReadonlyPaths, func(i int, path string) {
			t.readonly(p, path, list("linux.readonlyPaths", i, kernel.Op{Do: kernel.Attach, Path: path}))
		})
		if len(l.MaskedPaths) > 0 {
			t.makeBlank(p)
		}
		once(l.MaskedPaths, func(i int, path string) {
			t.mask(p, path, list("linux.maskedPaths", i, kernel.Op{Do: kernel.Attach, Path: path}))
		})
	}
	for _, m := range t.mounts {
		if m.sealed {
			p.Act("make %s read-only", m.dest)
			p.About(flags("", t.ShownAt(m.dest)))
			p.SetAttr(m.tree, unix.MOUNT_ATTR_RDONLY, 0, 0, m.sealBelow)
		}
	}
	if t.spec.Root.Readonly {
		p.Act("make the root read-only")
		p.About(flags("root.readonly", t.path))
		p.SetAttr(t.root, unix.MOUNT_ATTR_RDONLY, 0, 0, false)
	}
}

// once calls f for each path that the list has not had before.
func once(paths []string, f func(i int, path string)) {
	had := make(map[string]bool, len(paths))
	for i, path := range paths {
		if name := inside(path); !had[name] {
			had[name] = true
			f(i, path)
		}
	}
}
